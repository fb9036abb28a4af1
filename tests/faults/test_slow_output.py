"""Outputs that take events slowly, or for a while not at all: the input waits, and memory stays where it was.

Row 9 of the fault matrix, scaled down: answers after 100 ms, a sink that is blocked for a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread

import orjson
import psutil
import pytest

from brokers.kafka_topics import KafkaTopics
from brokers.mock_cluster import MockCluster
from fault_table import Figures
from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.output import Output
from pynomaly.application.ports import Message, MessageSink, MessageWriter
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.telemetry import BatchProcessed, NoTelemetry
from pynomaly.bootstrap import Services, services_of
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.memory import Broker
from pynomaly_flows.live import LiveOptions, run_live

_BATCH = 250
_RECORDS = 6_000
_QUEUE = 500
_PAD = b"x" * 300
_MEGABYTE = 1 << 20


@pytest.fixture
def services(memory_broker: Broker) -> Services:
    """A flow over a topic with all its records, without an output of its own."""
    memory_broker.create_topic("readings")
    for number in range(_RECORDS):
        record = {"ts": 1_700_000_000_000 + number, "series": "pump", "value": 20.0 + number % 3}
        memory_broker.append("readings", orjson.dumps(record))
    tree = {
        "flow": "pumps",
        "source": {"kind": "memory", "topic": "readings", "batch_records": _BATCH},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": [{"detector": "ew_zscore", "half_life": 50, "calibration": {"warm_up": 40}}],
        "output": {"alerts": {"kind": "memory", "topic": "alerts"}},
        "checkpoint": {"every": "250ms"},
    }
    return services_of(FlowSpec.model_validate(tree))


def _one_for_each(result: DetectionResult) -> list[Message]:
    """Make a message of a kilobyte of each record, so that the output is the narrow place."""
    return [Message(b"%d %s" % (offset, _PAD), b"key") for offset in result.batch.offset.tolist()]


@dataclass
class _Progress(NoTelemetry):
    """How much was judged and delivered, and the most memory that it took."""

    judged: int = 0
    delivered: int = 0
    first_bytes: int = 0
    most_bytes: int = 0
    longest_lead: int = 0

    def batch_processed(self, batch: BatchProcessed) -> None:
        self.judged += sum(batch.by_reason.values())
        held_bytes = psutil.Process().memory_info().rss
        self.first_bytes = self.first_bytes or held_bytes  # with machine code loaded
        self.most_bytes = max(self.most_bytes, held_bytes)

    def events_delivered(self, output: str, count: int, seconds: float) -> None:  # noqa: ARG002 - the port's
        self.delivered += count


@dataclass
class _Watched:
    """A sink that tells how far the flow has run ahead of it, and lets a test hold it up."""

    inner: MessageSink
    progress: _Progress
    gate: Event = field(default_factory=Event)
    held_at: int = _RECORDS + 1
    reached: Event = field(default_factory=Event)
    written: int = 0

    @property
    def where(self) -> str:
        return self.inner.where

    def check(self) -> None:
        self.inner.check()

    def open(self, position: bytes | None) -> MessageWriter:
        return _WatchedWriter(self, self.inner.open(position))


class _WatchedWriter:
    def __init__(self, sink: _Watched, inner: MessageWriter) -> None:
        self._sink = sink
        self._inner = inner

    def write(self, messages: Sequence[Message]) -> None:
        sink = self._sink
        if sink.written >= sink.held_at and not sink.gate.is_set():
            sink.reached.set()
            assert sink.gate.wait(30)
        sink.progress.longest_lead = max(sink.progress.longest_lead, sink.progress.judged - sink.written)
        self._inner.write(messages)
        sink.written += len(messages)

    def flush(self) -> None:
        self._inner.flush()

    def position(self) -> bytes:
        return self._inner.position()

    def close(self) -> None:
        self._inner.close()


def _run(services: Services, sink: _Watched, state: Path) -> None:
    output = Output("alerts", sink, _one_for_each)
    run_live(replace(services, outputs=lambda _: (output,)), sink.progress, LiveOptions(state, until_end=True))


def _assert_complete(cluster: MockCluster) -> None:
    found = KafkaTopics(cluster.bootstrap, cluster).read("slow")
    assert [int((message.value() or b"").split()[0]) for message in found] == list(range(_RECORDS))


def _figures(fault: str, progress: _Progress, note: str) -> Figures:
    return Figures(9, fault, _RECORDS, _RECORDS - progress.delivered, 0, note=note)


def _kafka(cluster: MockCluster) -> MessageSink:
    KafkaTopics(cluster.bootstrap, cluster).create("slow")
    limits = {"queue.buffering.max.messages": _QUEUE, "compression.type": "none", "linger.ms": 0}
    return KafkaMessageSink(KafkaSink(kind="kafka", bootstrap=cluster.bootstrap, topic="slow", client=limits))


def test_slow_brokers_hold_the_input_back(
    services: Services, mock_cluster: MockCluster, tmp_path: Path, tell: Callable[[Figures], None]
) -> None:
    """Answers after 100 ms: what is under way stays below the queue's bound, and the rest comes when they are quick."""
    progress = _Progress()
    sink = _Watched(_kafka(mock_cluster), progress)
    mock_cluster.answer_after(100)
    recovery = Thread(target=_answer_at_once_after, args=(mock_cluster, sink, _RECORDS // 3))
    recovery.start()
    _run(services, sink, tmp_path)
    recovery.join()
    assert progress.judged == progress.delivered == _RECORDS
    assert progress.longest_lead <= 2 * _BATCH
    grown = (progress.most_bytes - progress.first_bytes) / _MEGABYTE
    tell(_figures("output answers after 100 ms", progress, f"{grown:.0f} MiB more, {progress.longest_lead:,} ahead"))
    assert grown < 32
    _assert_complete(mock_cluster)


def _answer_at_once_after(cluster: MockCluster, sink: _Watched, messages: int) -> None:
    deadline = time.monotonic() + 60
    while sink.written < messages and time.monotonic() < deadline:
        time.sleep(0.01)
    cluster.answer_after(0)


def test_a_blocked_output_stops_the_input(
    services: Services, mock_cluster: MockCluster, tmp_path: Path, tell: Callable[[Figures], None]
) -> None:
    """While the output takes nothing, nothing more is read or judged; afterwards nothing is missing."""
    progress = _Progress()
    sink = _Watched(_kafka(mock_cluster), progress, held_at=_RECORDS // 2)
    judged: list[int] = []

    def watch() -> None:
        assert sink.reached.wait(60)
        for _ in range(10):
            judged.append(progress.judged)
            time.sleep(0.1)  # the span over which nothing may move
        sink.gate.set()

    watcher = Thread(target=watch)
    watcher.start()
    _run(services, sink, tmp_path)
    watcher.join()
    tell(_figures("output blocked for a second", progress, f"{len(set(judged)) - 1} batches read meanwhile"))
    assert len(set(judged)) == 1
    assert judged[0] <= _RECORDS // 2 + 2 * _BATCH
    assert progress.judged == progress.delivered == _RECORDS
    _assert_complete(mock_cluster)
