"""The topic by series: every record of the input, in the partition of its series, with where it came from.

The judge of repeats (`pynomaly.domain.source_marks`) relies on two things that are kept here:

1. Into one partition the copies go in the order of the input. The producer is idempotent: while it lives, no retry
   changes the order or repeats anything.
2. No copy is there without those before it. A producer that gives up one message would by default go on with the next
   one; so `enable.gapless.guarantee` ends it then, and messages never expire by themselves (librdkafka excepts expiry
   from that guarantee): when the brokers are away for too long, the copier drops everything that waits, and is done.
"""

from __future__ import annotations

import time
from typing import Final

import orjson

from pynomaly.application.spec.sink import KafkaSink
from pynomaly.domain.error import StateError
from pynomaly.domain.record import RecordBatch
from pynomaly.domain.routing import Route, partition_of, route
from pynomaly_connectors.codecs.origin_header import ORIGIN, origin_headers, without_origin
from pynomaly_connectors.kafka.client import Settings
from pynomaly_connectors.kafka.cluster import Topic, find_topic
from pynomaly_connectors.kafka.sink import KafkaMessageWriter
from pynomaly_connectors.kafka.trouble import Clock

_VERSION: Final = 1
_GAPLESS: Final[Settings] = {
    "enable.gapless.guarantee": True,
    "delivery.timeout.ms": 0,  # never; `KafkaMessageWriter` keeps the bound, and ends with it
    "delivery.report.only.error": True,  # a call of Python for each copy that was delivered would cost 0.5 us
    # Whatever the input holds: what is too large for the topic by series its brokers say.
    "message.max.bytes": 1_000_000_000,
}


class KafkaCopySink:
    """One topic, which holds the records of another one by series.

    Parameters
    ----------
    spec
        The topic and how to reach it.
    clock
        Monotonic seconds.
    kernel
        Compiled `route`; by default compiled in this process.
    """

    def __init__(self, spec: KafkaSink, clock: Clock = time.monotonic, kernel: Route = route) -> None:
        self._spec = spec
        self._clock = clock
        self._route = kernel

    @property
    def where(self) -> str:
        """Topic and cluster."""
        return f"topic {self._spec.topic} at {self._spec.bootstrap}"

    def check(self) -> None:
        """Ask for the topic; raises as `find_topic` does."""
        find_topic(self._spec, self._spec.topic, self._clock)

    def open(self, position: bytes | None) -> KafkaRecordCopier:
        """Open a producer.

        Raises
        ------
        StateError
            When the topic was made anew or given partitions since ``position``.
        PynomalyError
            As `check` does.
        """
        topic = find_topic(self._spec, self._spec.topic, self._clock)
        if position is not None:
            _check_same(topic, position)
        return KafkaRecordCopier(KafkaMessageWriter(self._spec, self._clock, _GAPLESS), topic, self._route)


class KafkaRecordCopier:
    """An open producer of copies; made by `KafkaCopySink.open`.

    Costs about 2 us of CPU a record, librdkafka's threads included.
    """

    def __init__(self, writer: KafkaMessageWriter, topic: Topic, kernel: Route) -> None:
        self._writer = writer
        self._topic = topic
        self._route = kernel

    def copy(self, batch: RecordBatch) -> None:
        """Queue a copy of each record; waits while the queue is full."""
        if batch.whole is None:
            raise TypeError("batch must have its records whole: they are to be copied")
        whole = batch.whole()
        target = partition_of(batch, len(self._topic.partitions), self._route).tolist()
        origins = origin_headers(batch.stream, batch.offset)
        produce = self._writer.produce
        rows = zip(whole.values, whole.keys, target, whole.headers, whole.times_ms, origins, strict=True)
        for value, key, partition, headers, time_ms, origin in rows:
            kept = without_origin(headers) if headers else ()
            produce(value, key, partition, [*kept, (ORIGIN, origin)], max(time_ms, 0))
        self._writer.raise_failed()

    def flush(self) -> None:
        """Return when all copies are acknowledged; raises as `KafkaMessageWriter.flush` does."""
        self._writer.flush()

    def position(self) -> bytes:
        """Return which topic it is, with how many partitions."""
        facts = {"id": self._topic.id, "partitions": len(self._topic.partitions), "topic": self._topic.name}
        return orjson.dumps({**facts, "version": _VERSION})

    def close(self) -> None:
        """Drop whatever was not flushed; may be called twice."""
        self._writer.close()


def _check_same(topic: Topic, position: bytes) -> None:
    """Compare the topic with the one that the copies before went to."""
    try:
        saved = orjson.loads(position)
        version, identity, partitions = saved["version"], saved["id"], saved["partitions"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise StateError(f"saved state must be that of a topic by series, was {position[:80]!r}") from None
    if version != _VERSION:
        raise StateError(f"saved state of a topic by series must be of version {_VERSION}, was {version!r}")
    if identity and topic.id and identity != topic.id:
        raise StateError(
            f"{topic.name} must be the topic that records were copied to so far (id {identity}), was id {topic.id}: it "
            "was deleted and created again; start over with --reset-state, which copies the input anew"
        )
    if partitions != len(topic.partitions):
        raise StateError(
            f"{topic.name} must keep its {partitions} partitions, had {len(topic.partitions)}: series would move to "
            "others and begin anew; give the flow another `source.repartition.topic` and start over with --reset-state"
        )
