"""From produce to alert consumed: 10,000 records a second, one of them in 500 a spike, with checkpoints every 5 s.

The event time of a record is the moment at which it is handed to the producer, so an alert tells its age by itself, to
the millisecond. Alerts that a checkpoint stall has held up count like all others.

The age has three parts, which rows of their own tell: until the broker has the record (the producer's share, which no
flow can mend), from there until the flow hands its alert to its producer, and until the consumer has it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from row import Row
from running_flow import RunningFlow
from topic import PARTITIONS, kafka, new_topic

from brokers.kafka_topics import KafkaTopics

_RATE = 10_000
_LINGER_MS = 2  # at 0, beside other work on two cores, the producer's own queue was most of the age
_TICK_S = 0.005
_SERIES = 1_000
_SPIKE_EVERY = 500
_WARM_UP_S = 15.0
_PATIENCE_S = 120.0
_CHECKPOINT_S = 5


class Load:
    """Produces at a steady rate until it is stopped."""

    def __init__(self, topics: KafkaTopics, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": topics.bootstrap, "linger.ms": _LINGER_MS})
        self._topic = topic
        self.stored_ms: list[float] = []
        """How long it took until the broker had a record, of one in a hundred [ms]."""
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
        now = time.time()
        record = f'{{"ts":{round(now * 1e3)},"series":"host-{series:05d}","value":{value:.4f}}}'
        watched = {"on_delivery": partial(self._stored, now)} if number % 100 == 0 else {}
        self._producer.produce(self._topic, record, partition=series % PARTITIONS, **watched)

    def _stored(self, since: float, _error: KafkaError | None, _message: Message) -> None:
        self.stored_ms.append(1e3 * (time.time() - since))


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
                load.stored_ms.clear()
                alerts_seen = _alerts(topics, alerts, seconds)
                stalls = flow.metric("pynomaly_checkpoint_stall_seconds_count")
                stalled_s = flow.metric("pynomaly_checkpoint_stall_seconds_sum")
            finally:
                load.stop()
            flow.stop()
    return [
        *_rows(alerts_seen),
        *_parts(alerts_seen, load.stored_ms),
        Row(
            f"a checkpoint's stall, every {_CHECKPOINT_S} s: mean [ms]", 1e3 * stalled_s / max(1.0, stalls), None, None
        ),
    ]


@dataclass(frozen=True, slots=True)
class Alerts:
    """When alerts came, from the moment of their records [ms]: to the flow's producer, and to the consumer."""

    made_ms: list[float]
    seen_ms: list[float]


def _rows(alerts: Alerts) -> list[Row]:
    what = f"produce to alert, {_RATE:,} records/s, {len(alerts.seen_ms):,} alerts"
    rows = []
    for name, percentile, limit_ms in (("p50", 50, 20.0), ("p99", 99, 150.0), ("maximum", 100, 500.0)):
        age_ms = float(np.percentile(alerts.seen_ms, percentile))
        rows.append(Row(f"{what}: {name} [ms]", age_ms, age_ms, limit_ms, at_most=True, raw=asdict(alerts)))
    return rows


def _parts(alerts: Alerts, stored_ms: Sequence[float]) -> list[Row]:
    """Say at which of its stations an alert is how old."""
    stations = (("record stored", stored_ms), ("alert made", alerts.made_ms), ("alert consumed", alerts.seen_ms))
    return [
        Row(f"from produce until {name}: p50 [ms]", float(np.median(ages_ms)), None, None) for name, ages_ms in stations
    ]


def _alerts(topics: KafkaTopics, topic: str, seconds: float) -> Alerts:
    """Consume alerts as they come; the timestamp of a message tells when the flow handed it to its producer."""
    settings = {"bootstrap.servers": topics.bootstrap, "group.id": "latency", "fetch.wait.max.ms": 5}
    consumer = Consumer({**settings, "enable.auto.commit": False, "auto.offset.reset": "error"})
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1]
    consumer.assign([TopicPartition(topic, 0, end)])
    found, until = Alerts([], []), time.monotonic() + seconds
    while time.monotonic() < until:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            happened_s = datetime.fromisoformat(json.loads(message.value() or b"{}")["time"]).timestamp()
            found.made_ms.append(message.timestamp()[1] - 1e3 * happened_s)
            found.seen_ms.append(1e3 * (time.time() - happened_s))
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
