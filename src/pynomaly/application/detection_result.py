"""What an engine returns for a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pynomaly.domain.error import RejectionError
from pynomaly.domain.event import Event
from pynomaly.domain.outcome import Outcomes
from pynomaly.domain.record import Int64Column, RecordBatch
from pynomaly.domain.series import Eviction
from pynomaly.domain.windows import ClosedWindows


@dataclass(frozen=True, slots=True)
class ScoredWindows:
    """Windows that closed, the keys of their series (made when asked for), and what became of them."""

    closed: ClosedWindows
    series: Sequence[str]
    outcomes: Outcomes

    def until(self, offset: int) -> ScoredWindows:
        """Return those that records before an offset closed."""
        closed = self.closed.until(offset)
        return ScoredWindows(closed, self.series[: len(closed)], self.outcomes.until(len(closed)))


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """What became of one batch.

    Parameters
    ----------
    batch
        The records.
    slot
        ``(n,)`` series number of each accepted record; one number means one series within a batch only.
    outcomes
        One for each record.
    events
        What happened, by the offset of the record that caused it. Of one record's: its rejection, the series evicted
        until then, its lateness, the models that took over, the anomalies; of several models their parts in the order
        of the flow, of several windows those that end first, then those of the series that began first.
    windows
        Windows that the batch closed; None in a flow without windows.
    stopped
        Why nothing behind these records may be judged: the next one is beyond `FlowPlan.rejections`. They are then the
        beginning of the batch, to be delivered, while no checkpoint of theirs or later ones may count. None: go on.
    evicted
        Series that the batch made the stream forget.
    """

    batch: RecordBatch
    slot: Int64Column
    outcomes: Outcomes
    events: tuple[Event, ...]
    windows: ScoredWindows | None = None
    stopped: RejectionError | None = None
    evicted: Mapping[Eviction, int] = field(default_factory=dict[Eviction, int])

    def until(self, row: int, stopped: RejectionError) -> DetectionResult:
        """Return what became of the records before a row, and why there are no more."""
        offset = int(self.batch.offset[row])
        return DetectionResult(
            self.batch.slice(0, row),
            self.slot[:row],
            self.outcomes.until(row),
            tuple(event for event in self.events if event.offset < offset),
            None if self.windows is None else self.windows.until(offset),
            stopped,
            self.evicted,
        )
