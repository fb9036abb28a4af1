"""Our record sources as Bytewax sources: one item for each read, never one for each record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Self

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from pynomaly.application.ports import PartitionReader, RecordSource
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import ConfigError, InputGrownError, Problem, StateError
from pynomaly.domain.record import RecordBatch
from pynomaly_flows.drain import Drain
from pynomaly_flows.key_group import key_group
from pynomaly_flows.rest import Rest

KeyedBatch = tuple[str, RecordBatch]
_SHORTEST_NAP_S = 0.002
_LONGEST_NAP_S = 0.020  # a longer one would hold up the epochs of the whole dataflow


class Partition(StatefulSourcePartition[KeyedBatch, bytes]):
    """One input partition, which is one key group."""

    def __init__(self, name: str, reader: PartitionReader, drain: Drain, telemetry: Telemetry, rest: Rest) -> None:
        self._name = name
        self._key = key_group(name)
        self._rest = rest
        rest.join(name)
        self._reader = reader
        self._drain = drain
        self._telemetry = telemetry
        self._nap_s = 0.0
        self._has_slept = False
        self._skipped = 0
        self._snapshot: tuple[bytes, float] | None = None

    def next_batch(self) -> list[KeyedBatch]:
        """Return what is there now, as one item.

        Raises
        ------
        StopIteration
            At the end of a bounded read, or when a drain is requested.
        """
        self._telemetry.input_polled()
        self._confirm_snapshot()
        if self._drain.requested:
            raise StopIteration
        batch = self._poll()
        self._tell_skipped()
        lag = self._reader.lag
        if lag is not None:
            self._telemetry.lag_measured(self._reader.stream, lag)
        if batch is not None and len(batch) > 0:
            self._rest.busy()
            self._nap_s = 0.0
            self._has_slept = False
            return [(self._key, batch)]
        if self._reader.at_end:
            raise StopIteration
        self._nap_s = min(max(2 * self._nap_s, _SHORTEST_NAP_S), _LONGEST_NAP_S)
        self._has_slept = self._rest.empty(self._name, self._nap_s)
        return []

    def _poll(self) -> RecordBatch | None:
        """Read; when the input has grown, drain to open it again."""
        try:
            return self._reader.poll()
        except InputGrownError:
            self._drain.request_reopening()
            raise StopIteration from None

    def next_awake(self) -> datetime | None:
        """Return when to ask again; at once while there is data, or after a sleep."""
        waits = self._nap_s > 0 and not self._has_slept
        return datetime.now(UTC) + timedelta(seconds=self._nap_s) if waits else None

    def snapshot(self) -> bytes:
        """Return the position to resume from."""
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
        self._has_slept = False
        self._rest.join(self._name)
        return True

    def close(self) -> None:
        """Keep the reader: the last snapshot is not durable yet. `Source` closes it."""
        self._rest.leave(self._name)

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


Choice = Callable[[str], bool]


def everything(_partition: str) -> bool:
    """Choose every partition."""
    return True


class Source(FixedPartitionedSource[KeyedBatch, bytes]):
    """A record source with its partitions as Bytewax wants them; closes its readers at the end of a ``with`` block.

    Parameters
    ----------
    source
        The input.
    bounded
        Whether to stop at the end that each partition has at its opening.
    drain
        Looked at before each read.
    telemetry
        Told of polls, lag and stalls.
    known
        Partitions that the state has positions of.
    owns
        Which partitions, by their names, belong to this flow's state; the others are another shard's.
    here
        Which of those are read by this process.
    rest
        Shared with the other inputs of the process, if there are some.

    Raises
    ------
    PynomalyError
        When the input, or a known partition of it, cannot be found, or there is one that must not be read: said here,
        before Bytewax starts, it is said without a stack trace.
    """

    def __init__(
        self,
        source: RecordSource,
        drain: Drain,
        telemetry: Telemetry,
        known: Sequence[str] = (),
        *,
        bounded: bool,
        owns: Choice = everything,
        here: Choice = everything,
        rest: Rest | None = None,
    ) -> None:
        self._source = source
        found = source.partitions()
        self._partitions = list(filter(owns, found))
        self._gone = sorted(set(known) - set(self._partitions))
        self._here = here
        if not self._partitions and not source.partitions_may_go:
            rule = f"must be at most {len(found)}, one for each partition of the input, was more"
            raise ConfigError(Problem("--shards", rule))
        _check_partitions(source, self._partitions, known)
        self._opened: dict[str, Partition] = {}
        self._has_begun = False
        self._rest = Rest() if rest is None else rest
        self._drain = drain
        self._telemetry = telemetry
        self._bounded = bounded

    def has_begun(self) -> bool:
        """Whether the dataflow runs by now, in which all workers take part."""
        return self._has_begun

    @property
    def at_end(self) -> bool:
        """Whether all partitions that were opened have come to the end of a bounded read."""
        return all(partition.at_end for partition in self._opened.values())

    def list_parts(self) -> list[str]:
        """Name the partitions; Bytewax wants every one that it has a position of."""
        self._has_begun = True
        return list(filter(self._here, (*self._partitions, *self._gone)))

    def build_part(
        self,
        step_id: str,  # noqa: ARG002
        for_part: str,
        resume_state: bytes | None,
    ) -> Partition | GonePartition:
        """Open a partition where it stood; after a pause it is the same one again."""
        if resume_state is not None and for_part in self._gone:
            return GonePartition(resume_state)
        opened = self._opened.get(for_part)
        if opened is not None and opened.reopened_at(resume_state):
            return opened
        if opened is not None:
            opened.finish(durable=False)
        reader = self._source.open(for_part, resume_state, bounded=self._bounded)
        partition = Partition(for_part, reader, self._drain, self._telemetry, self._rest)
        self._opened[for_part] = partition
        return partition

    def __enter__(self) -> Self:
        """Open nothing: Bytewax opens the partitions."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        """Close the readers; after an orderly end their last positions are durable and are confirmed."""
        for partition in self._opened.values():
            partition.finish(durable=kind is None)


def _check_partitions(source: RecordSource, partitions: Sequence[str], known: Sequence[str]) -> None:
    """Compare what there is with what the state was reached with."""
    gone, come = sorted(set(known) - set(partitions)), sorted(set(partitions) - set(known))
    if gone and not source.partitions_may_go:
        raise StateError(
            f"input must have the partitions that its saved state was reached with, {', '.join(gone)} was "
            "missing: correct the source, give this input its own --state folder, or start over with --reset-state"
        )
    if known and come and not source.partitions_may_come:
        raise StateError(
            f"input must have the partitions that its saved state was reached with, {', '.join(come)} was added: "
            "series whose key now falls into it would begin anew; go on with source.new_partitions: read, or start "
            "over with --reset-state"
        )
