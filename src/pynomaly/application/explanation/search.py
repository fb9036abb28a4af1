"""The replay up to a record: what becomes of it, the state before it, and the series around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pynomaly.application.detection_result import DetectionResult, ScoredWindows
from pynomaly.application.explanation.explanation import Place, Verdict
from pynomaly.application.explanation.surroundings import MOST_PAST, Surroundings
from pynomaly.application.explanation.wanted import FoundRecord
from pynomaly.domain.event import WindowSpan
from pynomaly.domain.outcome import OUTCOME_BY_REASON, Level, Outcome, Outcomes, Reason
from pynomaly.domain.record import ByteColumn, Int64Column, KeyColumn, RawRecord, RecordBatch
from pynomaly.domain.scoring import Scoring
from pynomaly.domain.trace import Moment, ScoredRows

_JUDGED = (Outcome.NORMAL, Outcome.ANOMALOUS, Outcome.SUPPRESSED, Outcome.WARMING)


@dataclass(frozen=True, slots=True)
class Found:
    """The record, or the window, and what became of it; its bytes where it was rejected."""

    place: Place
    verdict: Verdict
    raw: RawRecord | None = None


@dataclass(slots=True)
class Search:
    """Waits for a record in the results of a replay, or for a window.

    Parameters
    ----------
    record
        Where the record stands.
    ends_after_ns
        Wanted is instead the first window of the record's series that ends after this moment; None: the record.
    after
        How many later records of the series are kept too.
    """

    record: FoundRecord
    ends_after_ns: int | None
    after: int
    found: Found | None = None
    moment: Moment | None = None
    series: Surroundings | None = None
    position: int = -1

    @property
    def is_over(self) -> bool:
        """Whether all is known."""
        if self.found is None:
            return False
        return self.position < 0 or self.series is None or len(self.series) > self.position + self.after

    def watch(self, rows: ScoredRows, scoring: Scoring) -> None:
        """Keep the moment before the record."""
        if self.found is not None or self.moment is not None:
            return
        row = self._scored_row(rows.offset, rows.time_ns, rows.refusal, rows.key)
        if row is not None:
            self.moment = Moment.before(rows, row, scoring)

    def take(self, result: DetectionResult) -> None:
        """Look for the record among the outcomes of a batch, and keep its series."""
        if result.windows is not None and self.ends_after_ns is not None:
            self._take_windows(result, result.windows)
        else:
            self._take_records(result)

    def _take_records(self, result: DetectionResult) -> None:
        batch, outcomes = result.batch, result.outcomes
        row = _row_of(batch.offset, self.record.offset) if self.found is None else None
        if result.windows is None:
            judged = np.flatnonzero(np.isin(OUTCOME_BY_REASON[outcomes.reason], _JUDGED))
            own = _rows_of_series(judged, result.slot, batch.key, self.record.key)
            self._keep(Surroundings.of(own, batch.offset, batch.time_ns, batch.values, outcomes), own, row)
        if row is not None:
            verdict = _verdict(outcomes, row)
            rejected = verdict.reason.outcome is Outcome.REJECTED
            self.found = Found(_record_place(batch, row), verdict, batch.raw(row) if rejected else None)

    def _take_windows(self, result: DetectionResult, windows: ScoredWindows) -> None:
        closed, outcomes = windows.closed, windows.outcomes
        row = None
        if self.found is None:
            row = self._scored_row(closed.closed_by_offset, closed.end_ns, closed.refusal, windows.series)
        judged = np.flatnonzero(closed.refusal == 0)
        own = _rows_of_series(judged, closed.slot, windows.series, self.record.key)
        self._keep(Surroundings.of(own, closed.closed_by_offset, closed.end_ns, closed.values, outcomes), own, row)
        if row is not None:
            span = WindowSpan(int(closed.start_ns[row]), int(closed.end_ns[row]))
            offset = int(closed.closed_by_offset[row])
            place = Place(result.batch.stream, offset, windows.series[row], span.end_ns, span)
            self.found = Found(place, _verdict(outcomes, row))

    def _scored_row(
        self, offset: Int64Column, time_ns: Int64Column, refusal: ByteColumn, key: Sequence[str]
    ) -> int | None:
        """Return the row of what is wanted among rows that are scored."""
        if self.ends_after_ns is None:
            row = _row_of(offset, self.record.offset)
            return row if row is not None and refusal[row] == 0 else None
        ending = np.flatnonzero((refusal == 0) & (time_ns > self.ends_after_ns))
        return next((row for row in ending.tolist() if key[row] == self.record.key), None)

    def _keep(self, more: Surroundings, own: Int64Column, row: int | None) -> None:
        """Add records of the series; of those before the wanted one no more than are looked at."""
        held = 0 if self.series is None else len(self.series)
        if row is not None and row in own:
            self.position = held + int(np.searchsorted(own, row))
        self.series = more if self.series is None else self.series.followed_by(more)
        spare = (len(self.series) if self.position < 0 else self.position) - MOST_PAST
        if spare > MOST_PAST:  # not at every batch: what is kept is copied
            self.series = self.series.between(spare, len(self.series))
            self.position -= spare if self.position >= 0 else 0


def _record_place(batch: RecordBatch, row: int) -> Place:
    known = batch.refusal[row] == 0
    time_ns = int(batch.time_ns[row]) if known else None
    return Place(batch.stream, int(batch.offset[row]), batch.key[row].decode() if known else None, time_ns)


def _row_of(offset: Int64Column, wanted: int) -> int | None:
    row = int(np.searchsorted(offset, wanted))
    return row if row < len(offset) and offset[row] == wanted else None


def _rows_of_series(
    rows: Int64Column, slot: Int64Column, keys: KeyColumn | Sequence[str], wanted: str | None
) -> Int64Column:
    """Return those of the rows that belong to a series; one that was evicted and came again has two slots."""
    if wanted is None:
        return rows[:0]
    slots, first = np.unique(slot[rows], return_index=True)
    own = [one for one, at in zip(slots, first, strict=True) if _text(keys[int(rows[at])]) == wanted]
    return rows[np.isin(slot[rows], own)]


def _text(key: str | bytes) -> str:
    return key.decode() if isinstance(key, bytes) else key


def _verdict(outcomes: Outcomes, row: int) -> Verdict:
    return Verdict(
        Reason(int(outcomes.reason[row])),
        Level(int(outcomes.level[row])),
        float(outcomes.evidence[row]),
        float(outcomes.bar[row]),
    )
