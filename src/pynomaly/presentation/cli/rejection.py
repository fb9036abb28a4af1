"""What to say of a file of which no record could be used."""

from __future__ import annotations

from typing import Final

import numpy as np

from pynomaly.application.tally import Totals
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch
from pynomaly.presentation.cli.result import printable

_LONGEST: Final = 80  # characters of a record that are shown
_FORMAT: Final = "--format and --delimiter"
_TIME: Final = "--time and --time-format"

#: Options of `detect` that are most likely wrong, by what a decoder rejects records as.
OPTIONS: Final = {
    Reason.NO_PAYLOAD: _FORMAT,
    Reason.MALFORMED: _FORMAT,
    Reason.TOO_LARGE: _FORMAT,
    Reason.MISSING_FIELD: "--value, --time and --series",
    Reason.NOT_A_NUMBER: "--value",
    Reason.NOT_FINITE: "--value",
    Reason.BAD_TIME: _TIME,
    Reason.TIME_OUT_OF_RANGE: _TIME,
    Reason.BAD_SERIES: "--series",
}


class Rejections:
    """Keeps the beginning of the first record of each reason, as long as none was accepted."""

    def __init__(self) -> None:
        self._first: dict[Reason, str] = {}

    def take(self, batch: RecordBatch) -> None:
        """Look at a batch."""
        if not batch.refusal.all():
            return
        reasons, rows = np.unique(batch.refusal, return_index=True)
        for code, row in zip(reasons.tolist(), rows.tolist(), strict=True):
            if Reason(code) not in self._first:
                self._first[Reason(code)] = _text(batch.raw(row).value)

    def hint(self, totals: Totals) -> str | None:
        """Return one line if all records of the counts were rejected; None otherwise."""
        counts = totals.by_reason
        if not counts or not counts.keys() <= self._first.keys():
            return None
        reason = max(counts, key=lambda one: counts[one])
        return f"no record could be used: {reason.label}, such as {self._first[reason]!r}; look at {OPTIONS[reason]}"


def _text(payload: bytes | None) -> str:
    shown = printable((payload or b"")[: 4 * _LONGEST].decode(errors="replace"))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
