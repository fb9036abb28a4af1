"""The documentation page of outcomes and reasons: ``python -m pynomaly.application.outcome_page > docs/outcomes.md``.

What an outcome or a reason means stands in `pynomaly.domain.outcome`, once; here is only what an operator can turn.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Final

from pynomaly.domain import outcome as rules
from pynomaly.domain.outcome import EXPLANATIONS, Reason

#: Reasons in the order in which they are judged, with the keys of a flow that decide about each.
PRECEDENCE: Final[dict[Reason, tuple[str, ...]]] = {
    Reason.REPEATED_ORIGIN: ("source.keying",),
    Reason.REPEATED_ID: ("dedupe.field", "dedupe.horizon"),
    Reason.TOMBSTONE: ("source.tombstones",),
    Reason.NO_ORIGIN: ("source.keying", "source.repartition.topic"),
    Reason.NO_PAYLOAD: ("source.tombstones",),
    Reason.TOO_LARGE: ("record.max_bytes",),
    Reason.NO_SCHEMA_ID: ("source.format",),
    Reason.UNKNOWN_SCHEMA: ("source.schema_registry.url",),
    Reason.MALFORMED: ("source.format", "source.delimiter"),
    Reason.SCHEMA_MISMATCH: ("source.schema_registry.check_records",),
    Reason.MISSING_FIELD: ("record.time", "record.series", "record.values"),
    Reason.BAD_TIME: ("record.time.format",),
    Reason.TIME_OUT_OF_RANGE: ("record.time.earliest", "record.time.latest"),
    Reason.BAD_SERIES: ("record.series", "record.series_from"),
    Reason.NOT_A_NUMBER: ("record.values",),
    Reason.NOT_FINITE: ("record.values",),
    Reason.BAD_ID: ("dedupe.field",),
    Reason.SERIES_LIMIT: ("limits.series", "limits.at_limit"),
    Reason.TIME_JUMP: ("window.max_jump",),
    Reason.BEHIND_WATERMARK: ("window.lateness",),
    Reason.IN_WINDOW: ("window.size",),
    Reason.DETECTOR_WARMING: ("detectors[].warm_up",),
    Reason.CALIBRATOR_WARMING: ("detectors[].calibration.warm_up",),
    Reason.WRONG_DIRECTION: ("detectors[].direction",),
    Reason.BELOW_MINIMUM_DEVIATION: ("detectors[].minimum_absolute", "detectors[].minimum_relative"),
    Reason.NOT_PERSISTENT: ("persistence.hits", "persistence.of"),
    Reason.IN_REFRACTORY: ("alert.bump", "alert.bump_half_life", "alert.habituation"),
    Reason.ALERTED: ("alert.levels",),
    Reason.BELOW_THRESHOLD: ("alert.levels",),
}
_ORDER: Final = tuple(dict.fromkeys(reason.outcome for reason in PRECEDENCE))

_HEAD: Final = """\
# Outcomes and reasons

Every record has exactly one outcome, with one reason. So has every closed window, and where a flow has windows its
records are only `windowed`, `late`, `rejected`, `duplicate` or `ignored`. The two words stand in the lines of
`output.outcomes`, in the header `pynomaly.reason` of dead letters, in what `pynomaly detect` and the SDK return, in the
counts of the command line and in the labels of [`pynomaly_outcomes_total` and `pynomaly_windows_total`](metrics.md).
This page is made from the program's own list; a word that is not here does not occur. [Why one record has its outcome](
explaining.md) is told by `pynomaly explain`.

A record stops at the first of these that applies to it:

| outcome | when |
|---|---|
"""
_REASONS: Final = """
## Reasons

In the order of the table above; where several rules hold a record back, the first one is told. Among the fields of a
record the time is read first, then the series, then the values, then the id: a missing value is told only where the
time was good.

| outcome | reason | meaning | decided by |
|---|---|---|---|
"""


def outcome_page() -> str:
    """Return the page as Markdown."""
    return _HEAD + "\n".join(_outcomes()) + "\n" + _REASONS + "\n".join(_reasons()) + "\n"


def _outcomes() -> Iterator[str]:
    table = inspect.cleandoc(rules.__doc__ or "")
    meanings = dict(re.findall(r"^\d\. \*(\w+)\*: (.*?)[;.]$", _joined(table), re.MULTILINE))
    for outcome in _ORDER:
        yield f"| `{outcome.label}` | {meanings[outcome.label]} |"


def _joined(text: str) -> str:
    """Return text with indented lines joined to the line before."""
    return re.sub(r"\n +", " ", text)


def _reasons() -> Iterator[str]:
    for reason, keys in PRECEDENCE.items():
        decided_by = ", ".join(f"`{key}`" for key in keys) or "the producer"
        yield f"| `{reason.outcome.label}` | `{reason.label}` | {EXPLANATIONS[reason]} | {decided_by} |"


if __name__ == "__main__":
    sys.stdout.write(outcome_page())
