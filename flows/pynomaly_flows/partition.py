"""Input partitions as Bytewax reads them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

from bytewax.inputs import StatefulSourcePartition

from pynomaly.application.ports import PartitionReader
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import InputGrownError
from pynomaly.domain.record import RecordBatch
from pynomaly_flows.drain import Drain
from pynomaly_flows.foreseen import foreseen
from pynomaly_flows.idle_outputs import IdleOutputs
from pynomaly_flows.key_group import key_group
from pynomaly_flows.reader_news import ReaderNews
from pynomaly_flows.rest import Rest
from pynomaly_flows.wall_clock import WallClock

_log = logging.getLogger(__name__)
KeyedBatch = tuple[str, RecordBatch]
_SHORTEST_NAP_S = 0.002
_LONGEST_NAP_S = 0.040  # every round takes 0.4 ms of CPU; a nap holds up the epochs of the whole dataflow
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all partitions of one process share.

    Parameters
    ----------
    drain
        Looked at before each read.
    telemetry
        Told of polls, stalls and what there is to say of the readers.
    check_room
        Called before each checkpoint; raises when the disk has no room for one.
    rest
        Sleeps while none of them has anything.
    clock
        Tells when the wall clock was set back.
    outputs
        Looked after between two reads.
    """

    drain: Drain
    telemetry: Telemetry
    check_room: Callable[[], None]
    rest: Rest = field(default_factory=Rest)
    clock: WallClock = field(default_factory=WallClock)
    outputs: IdleOutputs = field(default_factory=IdleOutputs)


class Partition(StatefulSourcePartition[KeyedBatch, bytes]):
    """One input partition, which is one key group."""

    def __init__(self, name: str, reader: PartitionReader, around: Surroundings) -> None:
        self._name = name
        self._key = key_group(name)
        self._reader = reader
        self._around = around
        self._news = ReaderNews(reader, around.telemetry)
        self._nap_s = 0.0
        self._snapshot: tuple[bytes, float] | None = None
        around.rest.join(name)

    @foreseen
    def next_batch(self) -> list[KeyedBatch]:
        """Return what is there now, as one item.

        Raises
        ------
        StopIteration
            At the end of a bounded read, or when a drain is requested.
        DeliveryError, AccessError
            When an output has failed for good.
        """
        self._around.telemetry.input_polled()
        self._confirm_snapshot()
        if self._around.drain.requested:
            raise StopIteration
        self._around.outputs.look(self._around.telemetry)
        batch = self._poll()
        self._look_at_clock()
        self._news.tell()
        if batch is not None and len(batch) > 0:
            self._around.rest.busy()
            self._nap_s = 0.0
            return [(self._key, batch)]
        if self._reader.at_end:
            raise StopIteration
        self._nap_s = min(max(2 * self._nap_s, _SHORTEST_NAP_S), _LONGEST_NAP_S)
        self._around.rest.empty(self._name, self._nap_s)
        return []

    def next_awake(self) -> datetime:
        """Return when to ask again: at once, whatever becomes of the wall clock meanwhile; it is here that it naps."""
        return _LONG_AGO

    @foreseen
    def snapshot(self) -> bytes:
        """Return the position to resume from.

        Raises
        ------
        UnavailableError
            When the disk has no room for a checkpoint.
        """
        self._around.check_room()
        position = self._reader.position()
        self._snapshot = (position, perf_counter())
        return position

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has come to its end."""
        return self._reader.at_end

    def reopened_at(self, position: bytes | None) -> bool:
        """Take part again after a pause, if reading goes on exactly after a position; else return false."""
        if self._reader.position() != position:
            return False
        self._nap_s = 0.0
        self._around.rest.join(self._name)
        return True

    def close(self) -> None:
        """Keep the reader: the last snapshot is not durable yet. `Source` closes it."""
        self._around.rest.leave(self._name)

    def finish(self, *, durable: bool) -> None:
        """Close the reader; if everything is durable, confirm the last snapshot first."""
        if durable:
            self._confirm_snapshot()
        self._reader.close()

    def _poll(self) -> RecordBatch | None:
        """Read; when the input has grown, drain to open it again."""
        try:
            return self._reader.poll()
        except InputGrownError:
            self._around.drain.request_reopening()
            raise StopIteration from None

    def _look_at_clock(self) -> None:
        back_s = self._around.clock.set_back_s()
        if back_s > 0:
            _log.warning("wall_clock_set_back", extra={"by_s": round(back_s, 1)})
            self._around.drain.pause()

    def _confirm_snapshot(self) -> None:
        """Bytewax reads on only after the snapshot's epoch is durable everywhere: the first read proves it."""
        if self._snapshot is not None:
            position, since = self._snapshot
            self._snapshot = None
            self._around.telemetry.checkpoint_stalled(perf_counter() - since)
            self._reader.confirm(position)


class GonePartition(StatefulSourcePartition[KeyedBatch, bytes]):
    """A partition that was read earlier and is no more: at its end, with its position kept, should it come back."""

    def __init__(self, position: bytes) -> None:
        self._position = position

    def next_batch(self) -> list[KeyedBatch]:
        """Say that there is nothing."""
        raise StopIteration

    def snapshot(self) -> bytes:
        """Return the position that it had."""
        return self._position
