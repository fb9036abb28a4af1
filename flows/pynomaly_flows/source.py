"""Our record sources as Bytewax sources: one item for each read, never one for each record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Self

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from pynomaly.application.ports import PartitionReader, RecordSource
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import StateError
from pynomaly.domain.record import RecordBatch

Halted = Callable[[], bool]
KeyedBatch = tuple[str, RecordBatch]
_SHORTEST_NAP_S = 0.002
_LONGEST_NAP_S = 0.020  # a longer one would hold up the epochs of the whole dataflow


class Partition(StatefulSourcePartition[KeyedBatch, bytes]):
    """One input partition; its name is the key of its batches, so the partition is the key group."""

    def __init__(self, name: str, reader: PartitionReader, halted: Halted, telemetry: Telemetry) -> None:
        self._name = name
        self._reader = reader
        self._halted = halted
        self._telemetry = telemetry
        self._nap_s = 0.0
        self._skipped = 0
        self._snapshot: tuple[bytes, float] | None = None

    def next_batch(self) -> list[KeyedBatch]:
        """Return what is there now, as one item.

        Raises
        ------
        StopIteration
            At the end of a bounded read, or when reading is halted.
        """
        self._telemetry.input_polled()
        self._confirm_snapshot()
        if self._halted():
            raise StopIteration
        batch = self._reader.poll()
        self._tell_skipped()
        lag = self._reader.lag
        if lag is not None:
            self._telemetry.lag_measured(self._reader.stream, lag)
        if batch is not None and len(batch) > 0:
            self._nap_s = 0.0
            return [(self._name, batch)]
        if self._reader.at_end:
            raise StopIteration
        self._nap_s = min(max(2 * self._nap_s, _SHORTEST_NAP_S), _LONGEST_NAP_S)
        return []

    def next_awake(self) -> datetime | None:
        """Return when to ask again; at once while there is data."""
        return datetime.now(UTC) + timedelta(seconds=self._nap_s) if self._nap_s > 0 else None

    def snapshot(self) -> bytes:
        """Return the position to resume from."""
        position = self._reader.position()
        self._snapshot = (position, perf_counter())
        return position

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has come to its end."""
        return self._reader.at_end

    def stands_at(self, position: bytes | None) -> bool:
        """Whether reading goes on exactly after a position."""
        return self._reader.position() == position

    def close(self) -> None:
        """Keep the reader: the last snapshot is not durable yet. `Source` closes it."""

    def finish(self, *, durable: bool) -> None:
        """Close the reader; if everything is durable, confirm the last snapshot first."""
        if durable:
            self._confirm_snapshot()
        self._reader.close()

    def _tell_skipped(self) -> None:
        skipped = self._reader.skipped
        if skipped > self._skipped:
            self._telemetry.records_skipped(self._reader.stream, skipped - self._skipped)
            self._skipped = skipped

    def _confirm_snapshot(self) -> None:
        """Bytewax reads on only after the snapshot's epoch is durable everywhere: the first read proves it."""
        if self._snapshot is not None:
            position, since = self._snapshot
            self._snapshot = None
            self._telemetry.checkpoint_stalled(perf_counter() - since)
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


class Source(FixedPartitionedSource[KeyedBatch, bytes]):
    """A record source with its partitions as Bytewax wants them; closes its readers at the end of a ``with`` block.

    Parameters
    ----------
    source
        The input.
    bounded
        Whether to stop at the end that each partition has at its opening.
    halted
        Asked before each read; true ends all partitions where they stand.
    telemetry
        Told of polls, lag and stalls.
    known
        Partitions that the state has positions of.

    Raises
    ------
    PynomalyError
        When the input, or a known partition of it, cannot be found: said here, before Bytewax starts, it is said
        without a stack trace.
    """

    def __init__(
        self,
        source: RecordSource,
        halted: Halted,
        telemetry: Telemetry,
        known: Sequence[str] = (),
        *,
        bounded: bool,
    ) -> None:
        self._source = source
        self._partitions = source.partitions()
        self._gone = sorted(set(known) - set(self._partitions))
        if self._gone and not source.partitions_may_go:
            raise StateError(
                f"input must have the partitions that its saved state was reached with, {', '.join(self._gone)} was "
                "missing: correct the source, give this input its own --state folder, or start over with --reset-state"
            )
        self._opened: dict[str, Partition] = {}
        self._halted = halted
        self._telemetry = telemetry
        self._bounded = bounded

    @property
    def at_end(self) -> bool:
        """Whether all partitions that were opened have come to the end of a bounded read."""
        return all(partition.at_end for partition in self._opened.values())

    def list_parts(self) -> list[str]:
        """Name the partitions; Bytewax wants every one that it has a position of."""
        return [*self._partitions, *self._gone]

    def build_part(
        self,
        step_id: str,  # noqa: ARG002
        for_part: str,
        resume_state: bytes | None,
    ) -> Partition | GonePartition:
        """Open a partition where it stood; a dataflow that is started again gets the readers of the one before."""
        if resume_state is not None and for_part in self._gone:
            return GonePartition(resume_state)
        opened = self._opened.get(for_part)
        if opened is not None and opened.stands_at(resume_state):
            return opened
        if opened is not None:
            opened.finish(durable=False)
        reader = self._source.open(for_part, resume_state, bounded=self._bounded)
        partition = self._opened[for_part] = Partition(for_part, reader, self._halted, self._telemetry)
        return partition

    def __enter__(self) -> Self:
        """Open nothing: Bytewax opens the partitions."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        """Close the readers; after an orderly end their last positions are durable and are confirmed."""
        for partition in self._opened.values():
            partition.finish(durable=kind is None)
