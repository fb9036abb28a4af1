"""Domain events: past facts that the engine returns as values.

The content of an event is a pure function of the records and the state: no wall clock, no host, no
random id. The same input gives the same bytes, which is what lets a consumer drop repeats by id.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pynomaly.domain.origin import Origin
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import RawRecord, Stream

ID_BYTES = 16

_canonical = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def event_id(kind: str, flow: str, stream: Stream, offset: int, *details: str | int) -> str:
    """Derive an event's id from where its cause stands in the input.

    Parameters
    ----------
    kind
        Type of the event: the same record may cause several.
    flow
        Name of the flow.
    stream, offset
        The record (for a window: the window's start in epoch ns) that caused the event.
    *details
        Whatever else tells two events of one record apart (series, level).

    Returns
    -------
    str
        32 hexadecimal digits, equal for equal arguments on every platform (BLAKE2b-128 over canonical JSON).
    """
    identity = [kind, flow, stream.name, stream.incarnation, stream.partition, offset, *details]
    return hashlib.blake2b(_canonical(identity).encode(), digest_size=ID_BYTES).hexdigest()


class RecordIds:
    """Ids of events of one kind and stream that nothing but the offset tells apart; costs 1 us an id, not 4.

    Parameters
    ----------
    kind, flow, stream
        As for `event_id`, which gives the same ids.
    """

    def __init__(self, kind: str, flow: str, stream: Stream) -> None:
        identity = [kind, flow, stream.name, stream.incarnation, stream.partition]
        self._begun = hashlib.blake2b(_canonical(identity).removesuffix("]").encode(), digest_size=ID_BYTES)

    def of(self, offset: int) -> str:
        """Return the id of the event of one record."""
        hashed = self._begun.copy()
        hashed.update(b",%d]" % offset)
        return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class PartContribution:
    """What one part (a detector on some fields) said of an anomalous record.

    Parameters
    ----------
    part
        Name of the part in the flow.
    fields
        Value fields it looked at.
    score
        The detector's own number; None while it warmed up.
    severity
        -log10 of the tail probability of that score in the series' own past; None while unknown.
    contribution
        What it added to the evidence; the contributions of an alert sum to its evidence.
    """

    part: str
    fields: tuple[str, ...]
    score: float | None
    severity: float | None
    contribution: float


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """The half-open span of event time ``[start_ns, end_ns)`` that an aggregate covers."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class AnomalyDetected:
    """A record (or a window) alerted at a level.

    Its origin is where the record stood before it was ordered by series; None in other flows, and for a window.
    """

    id: str
    flow: str
    stream: Stream
    offset: int
    series: str
    time_ns: int
    level: Level
    evidence: float
    bar: float
    values: dict[str, float]
    expected: dict[str, float | None]
    parts: tuple[PartContribution, ...]
    window: WindowSpan | None = None
    origin: Origin | None = None

    @property
    def field_contributions(self) -> dict[str, float]:
        """What each field added to the evidence; those that a part sees only together are joined by ``+``."""
        found: dict[str, float] = {}
        for part in self.parts:
            if part.contribution > 0.0:
                name = "+".join(part.fields)
                found[name] = found.get(name, 0.0) + part.contribution
        return found


@dataclass(frozen=True, slots=True)
class RecordRejected:
    """A record could not be used; its bytes go to the dead letters.

    Its origin is where it stood before it was ordered by series, if it says so; None in other flows.
    """

    id: str
    flow: str
    stream: Stream
    offset: int
    reason: Reason
    raw: RawRecord
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class RecordLate:
    """A record came when every window that should hold it had closed."""

    id: str
    flow: str
    stream: Stream
    offset: int
    series: str
    time_ns: int
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class ModelRefitted:
    """A model fitted on a window of records took over at a record fixed in advance.

    Its group is the series' key, or for a model of all series the stream's name and partition, as in ``readings[2]``.
    """

    id: str
    flow: str
    stream: Stream
    offset: int
    group: str
    part: str
    fit_number: int
    model_hash: str
    records: int


@dataclass(frozen=True, slots=True)
class ModelRefitFailed:
    """A scheduled fit failed; the model before it stays."""

    id: str
    flow: str
    stream: Stream
    offset: int
    group: str
    part: str
    fit_number: int
    error: str


@dataclass(frozen=True, slots=True)
class SeriesEvicted:
    """Series of a stream were forgotten; their keys begin anew if they come again.

    Parameters
    ----------
    offset
        The record before which this was told.
    expired, displaced
        How many were idle for too long, and how many made room for new ones, since the last event of this kind.
    live
        Series that the stream holds now.
    examples
        Keys of some of them.
    """

    id: str
    flow: str
    stream: Stream
    offset: int
    expired: int
    displaced: int
    live: int
    examples: tuple[str, ...]


DetectorStatus = Literal["degraded", "working"]


@dataclass(frozen=True, slots=True)
class DetectorStatusChanged:
    """A detector of another library failed on too many records in a row and is left out, or answers again.

    Parameters
    ----------
    offset
        The record of the last failure, or of the first answer.
    status
        ``degraded`` or ``working``.
    error
        The last failure; empty where it answers again.
    """

    id: str
    flow: str
    stream: Stream
    offset: int
    part: str
    status: DetectorStatus
    error: str


Event = (
    AnomalyDetected
    | RecordRejected
    | RecordLate
    | ModelRefitted
    | ModelRefitFailed
    | SeriesEvicted
    | DetectorStatusChanged
)
