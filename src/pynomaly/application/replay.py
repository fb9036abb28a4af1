"""Run history through the engine, in this process, as fast as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.engine import Engine, EngineFactory
from pynomaly.application.ports import PartitionReader, RecordSource
from pynomaly.domain.error import RejectionError
from pynomaly.domain.record import RecordBatch

Take = Callable[[DetectionResult], None]


def replay(source: RecordSource, engine_for: EngineFactory, take: Take, *, most_records: int | None = None) -> None:
    """Process every partition of a source from its start to the end it has now, or to where it stops.

    Partitions are read one after another: they share nothing, so their order changes no outcome.

    Parameters
    ----------
    source, engine_for
        The input, and the engine of each of its streams.
    take
        Called with every result, in the order of its stream.
    most_records
        Cut batches to at most this many records; outcomes do not depend on it.

    Raises
    ------
    RejectionError
        After all partitions, the first reason for which one of them stopped: a live flow would stop there.
    """
    stopped: RejectionError | None = None
    for partition in source.partitions():
        with (
            closing(source.open(partition, None, bounded=True)) as reader,
            closing(engine_for(reader.stream)) as engine,
        ):
            for batch in batches(reader, most_records):
                result = engine.process(batch)
                take(result)
                if result.stopped is not None:
                    stopped = stopped or result.stopped
                    break
    if stopped is not None:
        raise stopped


def detect(records: Iterable[RecordBatch], engine: Engine) -> Iterator[DetectionResult]:
    """Process the batches of one stream, in order."""
    for batch in records:
        yield engine.process(batch)


def batches(reader: PartitionReader, most_records: int | None = None) -> Iterator[RecordBatch]:
    """Yield what a bounded reader holds, in batches of at most so many records."""
    while not reader.at_end:
        batch = reader.poll()
        if batch is None:
            continue
        size = len(batch) if most_records is None else most_records
        for start in range(0, len(batch), max(size, 1)):
            yield batch.slice(start, start + size)
