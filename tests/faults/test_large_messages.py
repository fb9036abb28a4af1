"""Messages of 5 and 20 MB among small ones: each becomes a short dead letter, and memory stays bounded.

The topic must allow them (`max.message.bytes`); the flow needs no setting for messages of up to 100 MB.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import pytest
from confluent_kafka import KafkaError, Message, Producer

from brokers.kafka_topics import QUIET, KafkaTopics
from e2e.flow_file import Tree, write_flow
from e2e.job import WITHIN_S, Ended, Job, Program
from e2e.traffic import Traffic
from e2e.verifier import Stored, read_topic, stored
from fault_table import Figures

_MB: Final = 1_000_000
_LARGE: Final = (5 * _MB, 20 * _MB)
_TOPIC_ALLOWS: Final = 25 * _MB
_REPEATS: Final = 12
_SMALL: Final = 2_000
_KEPT_BYTES: Final = 256 * 1024
#: The program takes 220; docs/dead-letters.md names the rest: 120 fetched ahead, as much in a batch, its copy.
_MOST_BYTES: Final = 620 * _MB
_POLL_S: Final = 0.01


def _fill(kafka: KafkaTopics, topic: str) -> dict[int, int]:
    """Put large messages between small ones; return the sizes of the large ones by their offsets."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "message.max.bytes": _TOPIC_ALLOWS,
            "queue.buffering.max.kbytes": 400_000,
            "compression.type": "none",
        },
        logger=QUIET,
    )
    large: dict[int, int] = {}
    failures: list[KafkaError] = []
    offset = 0

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    small = [record.value for record in Traffic(1, _SMALL, 1).records()]
    for _ in range(_REPEATS):
        for size in _LARGE:
            for value in small[: _SMALL // 10]:
                producer.produce(topic, value, b"k", on_delivery=delivered)
            large[offset + _SMALL // 10] = size
            value = b'{"ts":0,"x":"' + b"x" * (size - 13)
            producer.produce(topic, value, b"key", headers=[("trace", b"t")], on_delivery=delivered)
            offset += _SMALL // 10 + 1
        assert producer.flush(60) == 0
    assert not failures
    return large


def _peak_bytes(job: Job) -> tuple[Ended, int]:
    """Wait for a job, looking at its memory."""
    peak, deadline = 0, time.monotonic() + WITHIN_S
    process = psutil.Process(job.pid)
    while job.alive and time.monotonic() < deadline:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(_POLL_S)
    return job.wait(), peak


@pytest.mark.kafka
@pytest.mark.slow
def test_large_messages_become_short_letters(
    kafka: KafkaTopics,
    program: Program,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    tell: Callable[[Figures], None],
) -> None:
    """With both readers: every other record is judged, key, headers and the beginning of the large ones are kept."""
    topics = {name: unique_name(name) for name in ("readings", "alerts", "fast", "portable")}
    for name, topic in topics.items():
        kafka.create(topic, **({"max_message_bytes": str(_TOPIC_ALLOWS)} if name == "readings" else {}))
    large = _fill(kafka, topics["readings"])
    records = sum(1 for _ in read_topic(kafka.bootstrap, topics["readings"]))
    for reader in ("fast", "portable"):
        tree: Tree = {
            "flow": "large",
            "source": {
                "kind": "kafka",
                "bootstrap": kafka.bootstrap,
                "topic": topics["readings"],
                "reader": reader,
            },
            "record": {"time": {"field": "ts", "format": "ms"}, "values": ["value"]},
            "detectors": ["ew_zscore"],
            "output": {
                "alerts": {"kind": "kafka", "bootstrap": kafka.bootstrap, "topic": topics["alerts"]},
                "dead_letters": {"kind": "kafka", "bootstrap": kafka.bootstrap, "topic": topics[reader]},
                "outcomes": {"kind": "file", "path": f"{reader}.jsonl"},
                "outcomes_of": "all",
            },
        }
        flow = write_flow(tmp_path / f"{reader}.yaml", tree)
        ended, peak = _peak_bytes(program.start("run", flow, "--until-end", "--state", f"state-{reader}"))
        ended.succeeded()
        letters = stored(kafka.bootstrap, topics[reader])
        assert {int(one.header("__connect.errors.offset")): _told(one) for one in letters} == {
            offset: ("too_large", "value", size) for offset, size in large.items()
        }
        assert {(one.key, one.headers[0]) for one in letters} == {(b"key", ("trace", b"t"))}
        assert all(_KEPT_BYTES - 200 < len(one.value or b"") <= _KEPT_BYTES for one in letters)
        outcomes = len((tmp_path / f"{reader}.jsonl").read_bytes().splitlines())
        memory = f"{peak / _MB:.0f} MB resident at most, {sum(large.values()) / _MB:.0f} MB read"
        lost, repeated = records - outcomes, len(letters) - len(large)
        tell(Figures(23, f"messages of 5 and 20 MB, {reader}", records, lost, repeated, len(large), note=memory))
        assert lost == repeated == 0
        assert peak <= _MOST_BYTES


def _told(letter: Stored) -> tuple[str, str, int]:
    return (
        letter.header("pynomaly.reason"),
        letter.header("pynomaly.truncated"),
        int(letter.header("pynomaly.value_bytes")),
    )
