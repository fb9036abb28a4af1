"""The one place through which all rows of the recovery store pass when the flow has a key.

Every row is sealed for the flow's store, its step and its key, so that none stands for another. The doctor verifies all
of them before a start, and `unpickling` before Bytewax unpickles one; here each is opened for the place it is used in.
Without a key nothing stands between Bytewax and the flow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar, cast

import bytewax.operators as op
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from pynomaly.application.detection_result import DetectionResult
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly.domain.seal import Seals
from pynomaly_flows.foreseen import foreseen
from pynomaly_flows.partition import KeyedBatch
from pynomaly_flows.source import Source
from pynomaly_flows.step import ENGINE

_PARCEL: Final = "parcel"
ItemT = TypeVar("ItemT")

Logic = op.StatefulBatchLogic[RecordBatch, DetectionResult, bytes]
LogicBuilder = Callable[[bytes | None], Logic]


def _open(seals: Seals, row: bytes | None, *place: str) -> bytes | None:
    return None if row is None else seals.open(row, *place)


class SealedSource(FixedPartitionedSource[KeyedBatch, bytes]):
    """A source whose positions are sealed."""

    def __init__(self, source: Source, step: str, seals: Seals) -> None:
        self._source = source
        self._step = step
        self._seals = seals

    def list_parts(self) -> list[str]:
        """Name the partitions."""
        return self._source.list_parts()

    @foreseen
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _SealedPartition:
        """Open a partition at a position that was sealed for it."""
        position = _open(self._seals, resume_state, self._step, for_part)
        partition = self._source.build_part(step_id, for_part, position)
        return _SealedPartition(partition, self._seals.within(self._step, for_part))


class _SealedPartition(StatefulSourcePartition[KeyedBatch, bytes]):
    def __init__(self, partition: StatefulSourcePartition[KeyedBatch, bytes], own: Seals) -> None:
        self._partition = partition
        self._own = own

    def next_batch(self) -> list[KeyedBatch]:
        return list(self._partition.next_batch())

    def next_awake(self) -> datetime | None:
        return self._partition.next_awake()

    def snapshot(self) -> bytes:
        return self._own.seal(self._partition.snapshot())

    def close(self) -> None:
        self._partition.close()


class SealedStep(Logic):
    """The engine's step with a sealed state.

    Only a batch says which key the step has, so until the first one the row stays as it came: sealed and verified.

    Parameters
    ----------
    build
        Makes the step.
    key_of
        Returns the key of a stream's engine.
    seals
        Of the rows.
    row
        What the step is resumed with.
    """

    def __init__(self, build: LogicBuilder, key_of: Callable[[Stream], str], seals: Seals, row: bytes | None) -> None:
        self._build = build
        self._key_of = key_of
        self._seals = seals
        self._row = row
        self._key = ""
        self._step: Logic | None = None

    @foreseen
    def on_batch(self, values: list[RecordBatch]) -> tuple[Sequence[DetectionResult], bool]:
        """Process batches in order; at the first one open the state for its stream."""
        step = self._step or self._begin(values[0].stream)
        results, discards = step.on_batch(values)
        return list(results), discards

    def snapshot(self) -> bytes:
        """Return the sealed state."""
        if self._step is None:
            return self._row or b""
        return self._seals.seal(self._step.snapshot(), ENGINE, self._key)

    def _begin(self, stream: Stream) -> Logic:
        self._key = self._key_of(stream)
        self._step = self._build(_open(self._seals, self._row, ENGINE, self._key))
        self._row = None
        return self._step


class SealedSink(FixedPartitionedSink[ItemT, bytes]):
    """An output whose position is sealed, and what other processes of a cluster send to it."""

    def __init__(self, sink: FixedPartitionedSink[ItemT, bytes], step: str, seals: Seals) -> None:
        self._sink = sink
        self._step = step
        self._seals = seals

    def list_parts(self) -> list[str]:
        """Name the partitions."""
        return self._sink.list_parts()

    def part_fn(self, item_key: str) -> int:
        """Choose a partition."""
        return self._sink.part_fn(item_key)

    @foreseen
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _SealedOutput[ItemT]:
        """Open the output at a position that was sealed for it."""
        position = _open(self._seals, resume_state, self._step, for_part)
        partition = self._sink.build_part(step_id, for_part, position)
        return _SealedOutput(partition, self._seals.within(self._step, for_part), self._seals)


class _SealedOutput(StatefulSinkPartition[ItemT, bytes]):
    def __init__(self, partition: StatefulSinkPartition[ItemT, bytes], own: Seals, seals: Seals) -> None:
        self._partition = partition
        self._own = own
        self._seals = seals

    @foreseen
    def write_batch(self, values: list[ItemT]) -> None:
        self._partition.write_batch([open_item(value, self._seals) for value in values])

    def snapshot(self) -> bytes:
        return self._own.seal(self._partition.snapshot())

    def close(self) -> None:
        self._partition.close()


def sealed_source(source: Source, step: str, seals: Seals) -> FixedPartitionedSource[KeyedBatch, bytes]:
    """Return a source whose positions are sealed, or without a key the source."""
    return SealedSource(source, step, seals) if seals.active else source


def sealed_sink(
    sink: FixedPartitionedSink[ItemT, bytes], step: str, seals: Seals
) -> FixedPartitionedSink[ItemT, bytes]:
    """Return an output whose position is sealed, or without a key the output."""
    return SealedSink(sink, step, seals) if seals.active else sink


def seal_parcel(parcel: bytes, seals: Seals) -> bytes:
    """Seal what goes to another process: it is unpickled there, like a row."""
    return seals.seal(parcel, _PARCEL)


def open_item(item: ItemT, seals: Seals) -> ItemT:
    """Return a parcel that came from another process, or what came from this one as it is."""
    return cast("ItemT", seals.open(item, _PARCEL)) if isinstance(item, bytes) else item
