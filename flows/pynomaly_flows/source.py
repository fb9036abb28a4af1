"""Our record sources as Bytewax sources: one item for each read, never one for each record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from bytewax.inputs import FixedPartitionedSource

from pynomaly.application.ports import RecordSource
from pynomaly.domain.error import ConfigError, Problem, StateError
from pynomaly.domain.record import Stream
from pynomaly_flows.foreseen import foreseen
from pynomaly_flows.idle_outputs import IdleOutputs
from pynomaly_flows.key_group import key_group
from pynomaly_flows.partition import GonePartition, KeyedBatch, Partition, Surroundings

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
    around
        What its partitions share, with those of other sources of the process too.
    known
        Partitions that the state has positions of.
    owns
        Which partitions, by their names, belong to this flow's state; the others are another shard's.
    here
        Which of those are read by this process.

    Raises
    ------
    PynomalyError
        When the input, or a known partition of it, cannot be found, or there is one that must not be read: said here,
        before Bytewax starts, it is said without a stack trace.
    """

    def __init__(
        self,
        source: RecordSource,
        around: Surroundings,
        known: Sequence[str] = (),
        *,
        bounded: bool,
        owns: Choice = everything,
        here: Choice = everything,
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
        self._keys: dict[Stream, str] = {}
        self._has_begun = False
        self._around = around
        self._bounded = bounded

    def has_begun(self) -> bool:
        """Whether the dataflow runs by now, in which all workers take part."""
        return self._has_begun

    @property
    def at_end(self) -> bool:
        """Whether all partitions that were opened have come to the end of a bounded read."""
        return all(partition.at_end for partition in self._opened.values())

    @property
    def idle_outputs(self) -> IdleOutputs:
        """The outputs that are looked after between two reads."""
        return self._around.outputs

    def key_of(self, stream: Stream) -> str:
        """Return the key group of a stream that was opened."""
        return self._keys[stream]

    def list_parts(self) -> list[str]:
        """Name the partitions; Bytewax wants every one that it has a position of."""
        self._has_begun = True
        return list(filter(self._here, (*self._partitions, *self._gone)))

    @foreseen
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
        partition = Partition(for_part, reader, self._around)
        self._opened[for_part] = partition
        self._keys[reader.stream] = key_group(for_part)
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
