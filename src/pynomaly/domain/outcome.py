"""What became of each record: one outcome, one reason, by a written precedence.

A record stops at the first row of this table that applies to it:

1. *duplicate*: the same record of the input, or one with the id that its producer gave it, came before;
2. *ignored*: it carries nothing to judge, and the flow says that this is no fault;
3. *rejected*: the record itself cannot be used (the decoder's reasons);
4. *late*: every window that should hold it has closed;
5. *windowed*: it went into a window; the window is scored when it closes;
6. *warming*: no detector of its series knows enough to judge it;
7. *suppressed*: the evidence would have been enough, but a rule of the flow holds it back, judged in
   the order direction, minimum deviation, persistence, refractory;
8. *anomalous*: it alerts at a level;
9. *normal*: anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray


class Outcome(IntEnum):
    """The closed set of things that can become of a record."""

    NORMAL = 0
    ANOMALOUS = 1
    SUPPRESSED = 2
    WARMING = 3
    WINDOWED = 4
    LATE = 5
    REJECTED = 6
    IGNORED = 7
    DUPLICATE = 8

    @property
    def label(self) -> str:
        """The word operators, files and metrics use."""
        return self.name.lower()


class Reason(IntEnum):
    """Why a record has its outcome; stored as one byte, so the numbers are part of the state format."""

    ACCEPTED = 0  # not decided yet; never leaves the engine
    BELOW_THRESHOLD = 1
    ALERTED = 10
    WRONG_DIRECTION = 20
    BELOW_MINIMUM_DEVIATION = 21
    NOT_PERSISTENT = 22
    IN_REFRACTORY = 23
    DETECTOR_WARMING = 30
    CALIBRATOR_WARMING = 31
    IN_WINDOW = 40
    BEHIND_WATERMARK = 50
    NO_PAYLOAD = 60
    MALFORMED = 61
    MISSING_FIELD = 62
    NOT_A_NUMBER = 63
    NOT_FINITE = 64
    BAD_TIME = 65
    TIME_OUT_OF_RANGE = 66
    BAD_SERIES = 67
    TOO_LARGE = 68
    TIME_JUMP = 69
    SERIES_LIMIT = 70
    BAD_ID = 75
    NO_ORIGIN = 76
    NO_SCHEMA_ID = 77
    UNKNOWN_SCHEMA = 78
    SCHEMA_MISMATCH = 79
    TOMBSTONE = 80
    REPEATED_ID = 90
    REPEATED_ORIGIN = 91

    @property
    def label(self) -> str:
        """The word operators, files and metrics use."""
        return self.name.lower()

    @property
    def outcome(self) -> Outcome:
        """The outcome this reason belongs to."""
        return Outcome(int(OUTCOME_BY_REASON[self]))


#: What a person reads when asking "why?"; every reason has a sentence.
EXPLANATIONS: Final[dict[Reason, str]] = {
    Reason.ACCEPTED: "the record was accepted and is still being judged",
    Reason.BELOW_THRESHOLD: "the evidence stayed below the lowest alert level",
    Reason.ALERTED: "the evidence passed the bar of an alert level",
    Reason.WRONG_DIRECTION: "the value deviates to a side that the flow does not watch",
    Reason.BELOW_MINIMUM_DEVIATION: "the deviation is smaller than the flow's minimum deviation",
    Reason.NOT_PERSISTENT: "too few of the series' last records were anomalous",
    Reason.IN_REFRACTORY: "the series alerted lately and this is not much stronger",
    Reason.DETECTOR_WARMING: "no detector has seen enough records of this series",
    Reason.CALIBRATOR_WARMING: "too few scores of this series exist to tell what is rare",
    Reason.IN_WINDOW: "the record went into a window, which is scored when it closes",
    Reason.BEHIND_WATERMARK: "every window that should hold the record had closed before it came",
    Reason.NO_PAYLOAD: "the record has no payload (a tombstone)",
    Reason.MALFORMED: "the payload cannot be parsed in the flow's format",
    Reason.MISSING_FIELD: "a field that the flow needs is missing or null",
    Reason.NOT_A_NUMBER: "a value field holds something that is not a number",
    Reason.NOT_FINITE: "a value is NaN, infinite or too large for a double",
    Reason.BAD_TIME: "the time field cannot be read in the flow's time format",
    Reason.TIME_OUT_OF_RANGE: "the event time lies outside the flow's plausible range",
    Reason.BAD_SERIES: "the series key is empty, too long or not a string or integer",
    Reason.TOO_LARGE: "the payload is larger than the flow allows",
    Reason.TIME_JUMP: "the event time lies further from that of its stream than the flow allows",
    Reason.SERIES_LIMIT: "the stream already holds as many series as the flow allows",
    Reason.BAD_ID: "the id that tells repeats is empty, too long or not a string or integer",
    Reason.TOMBSTONE: "the record has no payload (a tombstone), which the flow takes for no fault",
    Reason.REPEATED_ID: "a record with this id came before in the same input partition, within the flow's horizon",
    Reason.NO_ORIGIN: "the record, in a topic that is ordered by series, does not say which record of the input it is",
    Reason.REPEATED_ORIGIN: "the same record of the input came before: a repartitioner that was restarted repeats some",
    Reason.NO_SCHEMA_ID: "the payload does not begin with the id of a schema",
    Reason.UNKNOWN_SCHEMA: "the schema registry has no usable schema of the flow's format under the payload's id",
    Reason.SCHEMA_MISMATCH: "the payload does not match the schema that it names",
}

_OUTCOME_BY_TENS = {
    0: Outcome.NORMAL,
    1: Outcome.ANOMALOUS,
    2: Outcome.SUPPRESSED,
    3: Outcome.WARMING,
    4: Outcome.WINDOWED,
    5: Outcome.LATE,
    6: Outcome.REJECTED,
    7: Outcome.REJECTED,
    8: Outcome.IGNORED,
    9: Outcome.DUPLICATE,
}


def _outcome_by_reason() -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    for reason in Reason:
        table[reason] = _OUTCOME_BY_TENS[reason // 10]
    table.flags.writeable = False
    return table


#: ``(256,)`` outcome of every reason: ``OUTCOME_BY_REASON[reasons]`` maps a whole column.
OUTCOME_BY_REASON: Final = _outcome_by_reason()


class Level(IntEnum):
    """How urgent an alert is."""

    NONE = 0
    WATCH = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        """The word operators, files and metrics use."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of ``n`` records as columns, for ``k`` parts and ``d`` value fields.

    Parameters
    ----------
    reason
        ``(n,)`` `Reason`.
    level
        ``(n,)`` `Level` of the alert; 0 where none.
    evidence
        ``(n,)`` severities combined; NaN where no part knew one.
    ranking_score
        ``(n,)`` what ranks the records of a history: the evidence of all channels, each by what it counts there,
        before rules hold any back, + 0.01 * the sum of all severities; NaN while unknown. The evidence alone is 0 for
        most records, and such ties rank as badly as chance; the small share of severities below the soft threshold,
        and above the cap, breaks them.
    bar
        ``(n,)`` what the evidence had to reach at the level judged last; NaN where nothing was judged.
    score
        ``(n, k)`` each part's own number; NaN while it warms up.
    severity
        ``(n, k)`` -log10 of the score's tail probability; NaN while unknown.
    contribution
        ``(n, k)`` what each part added to the evidence; 0 where a rule of the part held it back.
    expected
        ``(n, d)`` expected value of each field before the record was learned; NaN where no part knows.
    """

    reason: NDArray[np.uint8]
    level: NDArray[np.uint8]
    evidence: NDArray[np.float64]
    ranking_score: NDArray[np.float64]
    bar: NDArray[np.float64]
    score: NDArray[np.float64]
    severity: NDArray[np.float64]
    contribution: NDArray[np.float64]
    expected: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.reason)

    @classmethod
    def empty(cls, records: int, parts: int, fields: int) -> Outcomes:
        """Allocate columns for a kernel to fill."""
        return cls(
            reason=np.empty(records, np.uint8),
            level=np.empty(records, np.uint8),
            evidence=np.empty(records),
            ranking_score=np.empty(records),
            bar=np.empty(records),
            score=np.empty((records, parts)),
            severity=np.empty((records, parts)),
            contribution=np.empty((records, parts)),
            expected=np.empty((records, fields)),
        )

    @classmethod
    def unscored(cls, reason: NDArray[np.uint8]) -> Outcomes:
        """Return outcomes of records that were not scored, for the reasons given."""
        outcomes = cls.empty(len(reason), 0, 0)
        outcomes.reason[:] = reason
        outcomes.level[:] = 0
        outcomes.evidence[:] = np.nan
        outcomes.ranking_score[:] = np.nan
        outcomes.bar[:] = np.nan
        return outcomes

    def until(self, row: int) -> Outcomes:
        """Return the rows before one, as views."""
        return Outcomes(*(getattr(self, column.name)[:row] for column in fields(self)))

    @property
    def rejected(self) -> NDArray[np.int64]:
        """Ascending rows of the rejected records."""
        return np.flatnonzero(self.outcome == Outcome.REJECTED)

    @property
    def outcome(self) -> NDArray[np.uint8]:
        """``(n,)`` `Outcome` of every record."""
        return OUTCOME_BY_REASON[self.reason]

    @property
    def highest_severity(self) -> NDArray[np.float64]:
        """``(n,)`` largest severity of any part; NaN where none is known."""
        return np.fmax.reduce(self.severity, axis=1, initial=np.nan)

    @property
    def alert_score(self) -> NDArray[np.float64]:
        """``(n,)`` the evidence of records that alert, 0 for those that do not; NaN while unknown."""
        return np.where((self.level > 0) | np.isnan(self.evidence), self.evidence, 0.0)

    def count_by_reason(self) -> dict[Reason, int]:
        """Count the records of each reason that occurs."""
        counts = np.bincount(self.reason, minlength=256)
        return {Reason(int(code)): int(counts[code]) for code in np.flatnonzero(counts)}
