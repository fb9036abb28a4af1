"""Input that is gone, replaced or divided anew while nobody looked or under a running flow: never passed over silently.

Row 24 of the fault matrix with the whole program; the readers' part is tests/integration/test_source_policies.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from brokers.kafka_topics import KafkaTopics, until
from e2e.flow_file import Tree, write_flow
from e2e.job import Ended, Job, Program
from e2e.traffic import Traffic, send
from e2e.verifier import Offset, lines, places, toll
from fault_table import Figures

_DATA, _UNAVAILABLE = 65, 69
_READ: Final = 1_000
_GONE: Final = 1_400
_ALL: Final = 2_000
_WITHIN_S: Final = 40.0

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


class _Flow:
    """A flow over one topic of one partition, and what it writes."""

    def __init__(self, kafka: KafkaTopics, program: Program, folder: Path, topic: str) -> None:
        self.kafka = kafka
        self.topic = topic
        self._program = program
        self._file = folder / "flow.yaml"
        self._outcomes = folder / "outcomes.jsonl"
        self._records = list(Traffic(10, _ALL // 10, 1).records())
        kafka.create(topic)

    def write(self, **source: object) -> None:
        """Write the flow's file with a policy of its source."""
        reach = {"kind": "kafka", "bootstrap": self.kafka.bootstrap, "topic": self.topic}
        tree: Tree = {
            "flow": "lost-input",
            "source": {**reach, **source},
            "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
            "detectors": ["ew_zscore"],
            "checkpoint": {"every": "200ms"},
            "output": {
                "alerts": {"kind": "file", "path": "alerts.jsonl"},
                "outcomes": {"kind": "file", "path": self._outcomes.name},
                "outcomes_of": "all",
            },
        }
        write_flow(self._file, tree)

    def send(self, first: int, end: int) -> None:
        """Append some of the records."""
        send(self.kafka.bootstrap, self.topic, self._records[first:end])

    def start(self) -> Job:
        """Start it."""
        return self._program.start("run", self._file, "--state", "state")

    def run(self, *options: str) -> Ended:
        """Run it to the end of the topic."""
        return self._program.run("run", self._file, "--state", "state", "--until-end", *options, within_s=_WITHIN_S)

    def places(self) -> Iterator[Offset]:
        """Return where the records stand that have an outcome."""
        return places(lines(self._outcomes))

    def judged(self) -> list[int]:
        """Return the offsets that have an outcome."""
        return [line["offset"] for line in lines(self._outcomes)] if self._outcomes.exists() else []


@pytest.fixture
def flow(kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]) -> _Flow:
    """A flow over an empty topic."""
    return _Flow(kafka, program, tmp_path, unique_name("records"))


def _refused(ended: Ended, code: int, *texts: str) -> None:
    assert ended.code == code, ended.err
    assert len(ended.complaints) == 1, ended.err
    assert all(text in ended.complaints[0] for text in texts), ended.complaints
    assert "Traceback" not in ended.err


def test_retention_that_was_faster(flow: _Flow, tell: Callable[[Figures], None]) -> None:
    """By default the flow stops and names what is gone; told to go on it counts exactly that, and nothing else."""
    flow.write()
    flow.send(0, _READ)
    flow.run().succeeded()
    flow.send(_READ, _ALL)
    flow.kafka.delete_records(flow.topic, 0, before=_GONE)
    _refused(flow.run(), _UNAVAILABLE, f"offset {_READ}", f"{_GONE} to {_ALL}")
    assert flow.judged() == list(range(_READ))
    flow.write(out_of_range="earliest")
    ended = flow.run("--json").succeeded()
    told = json.loads(ended.out)
    assert sum(told["skipped"].values()) == _GONE - _READ
    kept = [*range(_READ), *range(_GONE, _ALL)]
    cost = toll(flow.places(), {(0, offset) for offset in kept})
    note = f"{_GONE - _READ} offsets counted as skipped"
    tell(Figures(24, "retention overtakes the flow", _ALL, cost.lost, cost.repeated, note=note))
    assert flow.judged() == kept


def _stopped_by(flow: _Flow, change: Callable[[], None]) -> tuple[Ended, float]:
    """Change the topic under the running flow; return how it ended, and after how many seconds."""
    flow.write()
    flow.send(0, _READ)
    job = flow.start()
    until(lambda: len(flow.judged()) == _READ, "all records are judged", _WITHIN_S)
    change()
    since = time.monotonic()
    return job.wait(_WITHIN_S), time.monotonic() - since


def test_another_topic_of_the_same_name(flow: _Flow, tell: Callable[[Figures], None]) -> None:
    """Deleted and made anew while it is read, with as many records: the flow stops within seconds, and for good."""

    def recreate() -> None:
        flow.kafka.delete(flow.topic)
        flow.kafka.create(flow.topic)
        flow.send(0, _READ)

    ended, seconds = _stopped_by(flow, recreate)
    _refused(ended, _DATA, "was deleted and created again", "--reset-state")
    _refused(flow.run(), _DATA, "--reset-state")
    cost, note = (
        toll(flow.places(), {(0, offset) for offset in range(_READ)}),
        f"stopped after {seconds:.1f} s, status 65",
    )
    tell(Figures(24, "topic deleted and created again", _READ, cost.lost, cost.repeated, note=note))
    assert flow.judged() == list(range(_READ))


def test_partitions_that_come(flow: _Flow, tell: Callable[[Figures], None]) -> None:
    """By default the flow stops and says what moves; told to read them it goes on with all of them."""
    ended, seconds = _stopped_by(flow, lambda: flow.kafka.grow(flow.topic, 2))
    _refused(ended, _DATA, "must have the 1 partitions", "has 2", "source.new_partitions: read")
    flow.write(new_partitions="read")
    flow.send(_READ, _ALL)
    flow.run().succeeded()
    cost, note = (
        toll(flow.places(), {(0, offset) for offset in range(_ALL)}),
        f"stopped after {seconds:.1f} s, status 65",
    )
    tell(Figures(24, "a partition added", _ALL, cost.lost, cost.repeated, note=note))
    assert flow.judged() == list(range(_ALL))
