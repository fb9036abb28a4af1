"""What can be said of one record."""

from __future__ import annotations

from dataclasses import dataclass

from pynomaly.application.explanation.surroundings import Surroundings
from pynomaly.domain.event import WindowSpan
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import RawRecord, Stream
from pynomaly.domain.trace import DecisionTrace, Interval


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands; for a window where the record that closed it does.

    Parameters
    ----------
    series, time_ns
        None for a record that was refused before they could be read.
    window
        The window that was judged; None for a record.
    """

    stream: Stream
    offset: int
    series: str | None
    time_ns: int | None
    window: WindowSpan | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of it, as the engine said; evidence and bar are NaN where nothing was judged."""

    reason: Reason
    level: Level
    evidence: float
    bar: float


@dataclass(frozen=True, slots=True)
class PastValues:
    """What one field was in the series' last records, at most 50,000.

    Parameters
    ----------
    records
        How many.
    lowest, highest
        Their ends.
    nearest, nearest_records_ago, nearest_time_ns
        The value nearest to the record's own, how many records before it came, and when.
    """

    records: int
    lowest: float
    highest: float
    nearest: float
    nearest_records_ago: int
    nearest_time_ns: int


@dataclass(frozen=True, slots=True)
class FieldExplanation:
    """One field of a judged record.

    Parameters
    ----------
    value, expected
        What it was, and what was expected; None where no part expects a value.
    contribution
        What the parts that decided added for it.
    past
        What it was before; None in the first record of a series.
    unchanged
        Values around its own that would have alerted if it did, or not if it did not; None where that is not known.
    """

    name: str
    value: float
    expected: float | None
    contribution: float
    past: PastValues | None
    unchanged: Interval | None


@dataclass(frozen=True, slots=True)
class PartExplanation:
    """What one part has to say beside its trace.

    Parameters
    ----------
    ordinary
        Values of its field that it takes for ordinary now; None where that has no meaning.
    shares
        What each of its fields has in its contribution; None where only all together are strange.
    """

    ordinary: Interval | None
    shares: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class Details:
    """A decision and what surrounds it.

    Parameters
    ----------
    trace
        The decision.
    fields, parts
        By field, and in the order of the plan's parts.
    joint_contribution
        What parts added that cannot be told of single fields; with those of the fields it sums to the evidence.
    """

    trace: DecisionTrace
    fields: tuple[FieldExplanation, ...]
    parts: tuple[PartExplanation, ...]
    joint_contribution: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """One record, what became of it and why.

    Parameters
    ----------
    details
        The decision; None for a record that was not judged.
    raw
        A rejected record as it arrived.
    surroundings, position
        The series around the record and its place there; None where it belongs to none.
    """

    place: Place
    verdict: Verdict
    details: Details | None
    raw: RawRecord | None
    surroundings: Surroundings | None
    position: int
