"""What checkpoints cost a flow with many series, and how long it takes to go on after a crash.

The program reads a topic in which every series comes some times, until it has caught up and has written checkpoints at
the interval that it chose. Then it is killed, a few new records are written, and it starts again: the clock runs from
the start of the process to the first record that it judges. State has its full size from a series' first record on.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from row import Row
from running_flow import RunningFlow
from topic import PARTITIONS, fill, kafka, new_topic

from brokers.kafka_topics import KafkaTopics

_SIZES = ((100_000, 5.0), (1_000_000, 20.0))
_TIMES = 4
_CHECKPOINTS = 3
_PAUSE_S = 5.0
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """What one size measured.

    Parameters
    ----------
    state_bytes
        Size of a checkpoint of all partitions.
    interval_s
        What the program chose; 10 s is the shortest.
    stall_s
        How long reading stood still for a checkpoint, on average.
    recovery_s
        From the start of the process after a crash to its first record.
    """

    series: int
    state_bytes: float
    interval_s: float
    stall_s: float
    recovery_s: float


def recovery_rows(largest: int) -> list[Row]:
    """Measure the sizes up to the largest."""
    with kafka() as topics, tempfile.TemporaryDirectory() as folder:
        found = [
            (_measured(topics, Path(folder) / str(series), series), limit_s)
            for series, limit_s in _SIZES
            if series <= largest
        ]
    return [row for recovery, limit_s in found for row in _rows(recovery, limit_s)]


def _rows(recovery: Recovery, limit_s: float) -> list[Row]:
    size = f"{recovery.series:,} series, {recovery.state_bytes / 1e6:,.0f} MB"
    share = 100 * recovery.stall_s / recovery.interval_s
    raw = asdict(recovery)
    every = f"every {recovery.interval_s:.0f} s"
    took = f"kill -9 to the first record, {size} [s]"
    return [
        Row(f"checkpoints {every}, {size} [% of the time]", share, share, 10.0, at_most=True, raw=raw),
        Row(took, recovery.recovery_s, recovery.recovery_s, limit_s, at_most=True, raw=raw),
    ]


def _measured(topics: KafkaTopics, folder: Path, series: int) -> Recovery:
    topic = new_topic(topics, f"size-{series}")
    fill(topics, topic, _TIMES * series, series)
    flow = RunningFlow(folder, _flow(topics, topic, series))
    with flow:
        flow.wait_for(lambda: flow.metric("pynomaly_records_total") >= _TIMES * series, _PATIENCE_S)
        interval_s, stall_s = _checkpoints(flow)
        state_bytes = flow.metric("pynomaly_checkpoint_bytes")
        flow.kill()
        fill(topics, topic, PARTITIONS, PARTITIONS)
        since = time.monotonic()
        flow.start()
        flow.wait_for(lambda: flow.metric("pynomaly_records_total") > 0, _PATIENCE_S)
        recovery_s = time.monotonic() - since
    return Recovery(series, state_bytes, interval_s, stall_s, recovery_s)


def _checkpoints(flow: RunningFlow) -> tuple[float, float]:
    """Wait for checkpoints at an interval that no longer grows; return the interval, and the stall of one of them [s].

    Each partition tells of the same stall; the longest of them is what the flow waited.
    """
    while True:
        interval_s, stalls, total_s = _told(flow)
        flow.wait_for(lambda: _told(flow)[1] >= stalls + _CHECKPOINTS * PARTITIONS, _PATIENCE_S)  # noqa: B023
        time.sleep(_PAUSE_S)  # the last of them may be that of a pause, after which the interval is longer
        later_s, later, later_total_s = _told(flow)
        if later_s == interval_s:
            return interval_s, (later_total_s - total_s) / (later - stalls)


def _told(flow: RunningFlow) -> tuple[float, float, float]:
    names = ("interval_seconds", "stall_seconds_count", "stall_seconds_sum")
    interval_s, stalls, total_s = (flow.metric(f"pynomaly_checkpoint_{name}") for name in names)
    return interval_s, stalls, total_s


def _flow(topics: KafkaTopics, topic: str, series: int) -> dict[str, object]:
    connection = {"kind": "kafka", "bootstrap": topics.bootstrap}
    return {
        "flow": "recovery",
        "source": {**connection, "topic": topic},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": [{"detector": "ew_zscore"}],
        "limits": {"series": series},
        "output": {"alerts": {**connection, "topic": new_topic(topics, "alerts", 1)}},
        "checkpoint": {"every": "10s"},
    }
