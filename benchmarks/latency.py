"""From produce to alert consumed: 10,000 records a second, one of them in 500 a spike, with checkpoints every 5 s.

The event time of a record is the moment at which it is handed to the producer, so an alert tells its age by itself, to
the millisecond. Producer and consumer wait for nothing (`linger.ms=0`, `fetch.wait.max.ms=5`): what is measured is the
flow between them, and the broker. Alerts that a checkpoint stall has held up count like all others.
"""

from __future__ import annotations

import json
import tempfile
import time
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from row import Row
from running_flow import RunningFlow
from topic import PARTITIONS, kafka, new_topic

from brokers.kafka_topics import KafkaTopics

_RATE = 10_000
_TICK_S = 0.005
_SERIES = 1_000
_SPIKE_EVERY = 500
_WARM_UP_S = 15.0
_PATIENCE_S = 120.0
_CHECKPOINT_S = 5


class Load:
    """Produces at a steady rate until it is stopped."""

    def __init__(self, topics: KafkaTopics, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": topics.bootstrap, "linger.ms": 0})
        self._topic = topic
        self._stopped = Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End it, with everything delivered."""
        self._stopped.set()
        self._thread.join()
        self._producer.flush(30)

    def _run(self) -> None:
        random, sent, since = np.random.default_rng(3), 0, time.monotonic()
        while not self._stopped.wait(_TICK_S):
            due = int((time.monotonic() - since) * _RATE)
            for number, value in enumerate(random.normal(50.0, 1.0, due - sent).tolist(), sent):
                self._send(number, value + (40.0 if number % _SPIKE_EVERY == 0 else 0.0))
            sent = due
            self._producer.poll(0)

    def _send(self, number: int, value: float) -> None:
        # A spike meets another series each time, or a series would get used to spikes.
        series = (number + number // _SPIKE_EVERY) % _SERIES
        record = f'{{"ts":{time.time_ns() // 1_000_000},"series":"host-{series:05d}","value":{value:.4f}}}'
        self._producer.produce(self._topic, record, partition=series % PARTITIONS)


def latency_rows(seconds: float) -> list[Row]:
    """Measure for some seconds, after the warm-up of the flow."""
    with kafka() as topics, tempfile.TemporaryDirectory() as folder:
        topic, alerts = new_topic(topics, "latency"), new_topic(topics, "alerts", 1)
        flow = RunningFlow(Path(folder), _flow(topics, topic, alerts))
        with flow:
            flow.wait_for(lambda: flow.metric("pynomaly_build_info") > 0, _PATIENCE_S)
            load = Load(topics, topic)
            try:
                time.sleep(_WARM_UP_S)
                ages_ms = _ages_ms(topics, alerts, seconds)
                stalls = flow.metric("pynomaly_checkpoint_stall_seconds_count")
                stalled_s = flow.metric("pynomaly_checkpoint_stall_seconds_sum")
            finally:
                load.stop()
            flow.stop()
    return _rows(np.array(ages_ms), 1e3 * stalled_s / max(1.0, stalls))


def _rows(ages_ms: np.ndarray, stall_ms: float) -> list[Row]:
    what = f"produce to alert, {_RATE:,} records/s, {len(ages_ms):,} alerts"
    figures = [("p50", 50, 20.0), ("p99", 99, 150.0), ("maximum", 100, 500.0)]
    raw: dict[str, object] = {"ages_ms": ages_ms.tolist()}
    rows = []
    for name, percentile, limit_ms in figures:
        age_ms = float(np.percentile(ages_ms, percentile))
        rows.append(Row(f"{what}: {name} [ms]", age_ms, age_ms, limit_ms, at_most=True, raw=raw))
    return [*rows, Row(f"of it a checkpoint stall, every {_CHECKPOINT_S} s: mean [ms]", stall_ms, None, None)]


def _ages_ms(topics: KafkaTopics, topic: str, seconds: float) -> list[float]:
    """Consume alerts as they come; return how old the record of each is by then."""
    settings = {"bootstrap.servers": topics.bootstrap, "group.id": "latency", "fetch.wait.max.ms": 5}
    consumer = Consumer({**settings, "enable.auto.commit": False, "auto.offset.reset": "error"})
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1]
    consumer.assign([TopicPartition(topic, 0, end)])
    found, until = list[float](), time.monotonic() + seconds
    while time.monotonic() < until:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            happened = datetime.fromisoformat(json.loads(message.value() or b"{}")["time"])
            found.append(1e3 * (time.time() - happened.timestamp()))
    consumer.close()
    return found


def _flow(topics: KafkaTopics, topic: str, alerts: str) -> dict[str, object]:
    connection = {"kind": "kafka", "bootstrap": topics.bootstrap}
    return {
        "flow": "latency",
        "source": {**connection, "topic": topic},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": [{"detector": "ew_zscore", "calibration": {"warm_up": 50}}],
        "output": {"alerts": {**connection, "topic": alerts}},
        "checkpoint": {"every": f"{_CHECKPOINT_S}s"},
    }
