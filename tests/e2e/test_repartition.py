"""Producers that do not key their topic: records of a series arrive over all partitions and are judged as one series.

The truth is in the topics: what the copies say they are copies of, read by plain clients, and a replay of the copies.

CI runs one kill over 4,000 records; the ordeals send 6,000 records/s until the last stop, with ``E2E_SIZE=full``
20,000.
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pytest

from brokers.kafka_topics import KafkaTopics, until
from e2e.flow_file import Tree
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.size import size
from e2e.traffic import PacedSender, Record, Traffic, send
from e2e.verifier import Offset, durable_epoch, lines, offsets, read_topic, without_repeats

_RATE = size(6_000, 20_000)
_LONGEST_S = 240
_SERIES = 200
_STEPS = _RATE * _LONGEST_S // _SERIES
_PARTITIONS = 4
_COPIES = 3
_KILLS = size(1, 6)
_LEAST = 30_000
_ORIGIN: Final = struct.Struct(">16siq")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(size(300, 1_200))]


@dataclass(frozen=True, slots=True)
class Copy:
    """A record of the topic by series, and which record of the input it says that it is."""

    place: Offset
    origin: Offset
    value: bytes | None


def _copies(flow: FlowRuns) -> list[Copy]:
    """Read the topic by series."""
    found = []
    for message in read_topic(flow.bootstrap, f"{flow.readings}.by-series"):
        headers: dict[str, Any] = dict(message.headers() or [])
        _, partition, offset = _ORIGIN.unpack(headers["pynomaly.origin"])
        found.append(Copy((message.partition() or 0, message.offset() or 0), (partition, offset), message.value()))
    return found


def _mixed(records: Iterator[Record], seed: int = 11, poison: int = 97) -> Iterator[Record]:
    """Send records anywhere, as producers without keys do, and now and then one that nobody can read."""
    random = np.random.default_rng(seed)
    for number, record in enumerate(records):
        partition = int(random.integers(_PARTITIONS))
        value = b'{"series": ' if number % poison == 0 else record.value
        yield Record(partition, None, value, [("trace", b"%d" % number)] if number % 3 == 0 else None)


def _traffic() -> Iterator[Record]:
    return _mixed(Traffic.spiky(_SERIES, _STEPS, _PARTITIONS).records())


@contextmanager
def _producing(flow: FlowRuns) -> Iterator[None]:
    with PacedSender(flow.bootstrap, flow.readings, _traffic(), _RATE) as sender:
        yield
        until(lambda: sender.sent >= _LEAST, "enough is sent for the detectors to be warm", _LONGEST_S)


_CHANGES: Final[Tree] = {"alert": TALKATIVE, "source": {"keying": "repartition"}, "limits": {"rejected": "off"}}


@pytest.fixture
def flow(kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]) -> FlowRuns:
    """A flow over an empty topic of four partitions, which copies it by series into three."""
    runs = FlowRuns.of("kafka", _CHANGES, program, kafka, tmp_path / "flow.yaml", unique_name("readings"))
    runs.create_topics(_PARTITIONS, ("broken", "sharded", "later"))
    kafka.create(f"{runs.readings}.by-series", _COPIES)
    return runs


def _stage(flow: FlowRuns, stage: str, *arguments: str) -> Job:
    state = f"state-broken-{stage}"
    command = ("run", flow.file, "--stage", stage, "--state", state, *arguments)
    return flow.program.start(*command, **flow.environment("broken"))


def _await_epoch(job: Job, state: Path) -> None:
    before = durable_epoch(state)

    def durable() -> bool:
        assert job.alive, job.err
        return durable_epoch(state) != before

    until(durable, "a new epoch is durable", 60.0)


def _assert_one_outcome_each(flow: FlowRuns, outcomes: list[dict[str, Any]]) -> int:
    """Fail unless every record of the input has one outcome beside repeats; return the number of repeats."""
    copies = {copy.place: copy for copy in _copies(flow)}
    assert len(outcomes) == len(copies), "every copy has one outcome"
    told = {(outcome["partition"], outcome["offset"]): outcome for outcome in outcomes}
    assert told.keys() == copies.keys()
    first = [place for place in sorted(told) if told[place]["outcome"] != "duplicate"]
    judged = Counter(copies[place].origin for place in first)
    assert judged.keys() == offsets(flow.bootstrap, flow.readings)
    assert set(judged.values()) == {1}
    for place, outcome in told.items():
        partition, offset = copies[place].origin
        assert outcome["origin"] == f"{flow.readings}[{partition}]@{offset}"
    return len(outcomes) - len(judged)


def _assert_each_series_in_one_partition(flow: FlowRuns) -> None:
    homes: dict[str, set[int]] = {}
    poison: set[tuple[int, int]] = set()
    for copy in _copies(flow):
        value = copy.value or b""
        if value == b'{"series": ':
            poison.add((copy.origin[0], copy.place[0]))
        else:
            homes.setdefault(orjson.loads(value)["series"], set()).add(copy.place[0])
    assert len(homes) == _SERIES
    assert all(len(found) == 1 for found in homes.values())
    assert {next(iter(found)) for found in homes.values()} == set(range(_COPIES)), "all partitions are used"
    assert poison <= {(partition, partition % _COPIES) for partition in range(_PARTITIONS)}


def _replayed(flow: FlowRuns) -> tuple[dict[str, bytes], list[bytes]]:
    """Return the alerts, by their ids, and the lines of outcomes of a replay."""
    flow.replay("--output", "replayed.jsonl", "--outcomes", "replayed-outcomes.jsonl")
    alerts = {
        orjson.loads(line)["id"]: line for line in flow.file.with_name("replayed.jsonl").read_bytes().splitlines()
    }
    return alerts, sorted(flow.file.with_name("replayed-outcomes.jsonl").read_bytes().splitlines())


def _assert_equals_replay(flow: FlowRuns, run: str, outcomes: list[bytes], least_alerts: int = 50) -> None:
    alerts, replayed = _replayed(flow)
    assert len(alerts) >= least_alerts, f"{len(alerts)} alerts prove little"
    live = without_repeats(flow.alerted(run))
    assert {identity: alert.data for identity, alert in live.items()} == {
        identity: orjson.loads(line)["data"] for identity, line in alerts.items()
    }
    assert sorted(outcomes) == replayed


@pytest.mark.slow
def test_copies_that_a_kill_makes_twice_are_judged_once(flow: FlowRuns) -> None:
    """CI: killed with copies out and no checkpoint, the flow copies all again, and each record has one outcome."""
    sent = send(flow.bootstrap, flow.readings, _mixed(Traffic(20, 200, _PARTITIONS).records()))
    job = flow.start("broken", every="10m")
    until(lambda: len(_copies(flow)) > 0, "something is copied", 60.0)
    assert job.kill().code == -9
    twice = len(_copies(flow))
    flow.finish("broken")
    assert _assert_one_outcome_each(flow, list(lines(flow.outcomes("broken")))) == twice
    assert len(_copies(flow)) == sent + twice


@pytest.mark.ordeal
def test_kills_of_either_stage_change_nothing(flow: FlowRuns) -> None:
    """Stages killed in turn repeat copies, and every record of the input has one outcome all the same."""
    random = np.random.default_rng(22)
    states = {stage: flow.file.with_name(f"state-broken-{stage}") for stage in ("repartition", "detect")}
    with _producing(flow):
        jobs = {stage: _stage(flow, stage) for stage in states}
        for _ in range(_KILLS):
            for stage, state in states.items():
                _await_epoch(jobs[stage], state)
                time.sleep(random.uniform(0.2, 0.9))  # that the moment is random is the point
                assert jobs[stage].kill().code == -9
                jobs[stage] = _stage(flow, stage)
        _await_epoch(jobs["detect"], states["detect"])
    for stage in states:
        jobs[stage].terminate().succeeded()
        _stage(flow, stage, "--until-end").wait().succeeded()
    repeats = _assert_one_outcome_each(flow, list(lines(flow.outcomes("broken"))))
    assert repeats > 0, "a kill must make the repartitioner repeat something, or nothing is proved"
    _assert_each_series_in_one_partition(flow)
    _assert_equals_replay(flow, "broken", flow.outcomes("broken").read_bytes().splitlines())
    print(f"{2 * _KILLS} kills: {repeats} copies were repeated")  # noqa: T201


@pytest.mark.ordeal
def test_one_command_runs_both_stages(flow: FlowRuns) -> None:
    """One process copies and judges; killed, drained and run to the end it says of each record what a replay says."""
    with _producing(flow):
        job = flow.start("broken")
        flow.await_new_epoch(job, "broken")
        assert job.kill().code == -9
        job = flow.start("broken")
        flow.await_new_epoch(job, "broken")
        assert job.terminate().succeeded().seconds < 10.0
    flow.finish("broken")
    _assert_one_outcome_each(flow, list(lines(flow.outcomes("broken"))))
    _assert_each_series_in_one_partition(flow)
    _assert_equals_replay(flow, "broken", flow.outcomes("broken").read_bytes().splitlines())
    rejected = {outcome["reason"] for outcome in lines(flow.outcomes("broken")) if outcome["outcome"] == "rejected"}
    assert rejected == {"malformed"}


@pytest.mark.ordeal
def test_two_shards_copy_and_judge_the_same(flow: FlowRuns) -> None:
    """Two shards, one of them killed, give each record one outcome; to the end they wait for each other's copies."""
    with _producing(flow):
        job = flow.start("sharded", "--shards", "2")
        state = flow.state("sharded") / "shard-1-of-2"
        _await_epoch(job, state)
        victim = next(one for one in job.children() if '"index":1,' in " ".join(one.cmdline()))
        victim.kill()
        _await_epoch(job, state)
        assert job.terminate().succeeded().seconds < 15.0
    flow.start("sharded", "--shards", "2", "--until-end").wait().succeeded()
    whole = flow.outcomes("sharded")
    paths = [whole.with_name(f"{whole.stem}.shard-{index}-of-2.jsonl") for index in range(2)]
    found = [line for path in paths for line in path.read_bytes().splitlines()]
    _assert_one_outcome_each(flow, [orjson.loads(line) for line in found])
    _assert_equals_replay(flow, "sharded", found)


@pytest.mark.ordeal
def test_a_new_flow_over_old_copies_and_portable_readers(flow: FlowRuns) -> None:
    """Both readers judge the same copies alike, and a stage that starts over copies everything twice for nothing."""
    send(flow.bootstrap, flow.readings, _mixed(Traffic(20, 200, _PARTITIONS).records()))
    first = flow.finish("broken")
    flow.file.write_text(
        flow.file.read_text().replace("keying: repartition", "keying: repartition\n  reader: portable")
    )
    again = flow.start("later", "--until-end").wait().succeeded()
    assert "copied" in again.out
    repeats = _assert_one_outcome_each(flow, list(lines(flow.outcomes("later"))))
    assert repeats == len(offsets(flow.bootstrap, flow.readings))
    assert without_repeats(flow.alerted("later")) == without_repeats(first)
