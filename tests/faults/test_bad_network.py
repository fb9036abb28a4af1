"""A broker that is away, hangs or dies, and a network that is slow, silent or cut, under a flow that goes on living.

Rows 3, 4, 5, 8 and 9 of the fault matrix, one after another on one process and one topic: it starts before its broker
does, and is compared with a run without faults at the end. The producer never pauses.

CI: 2,000 records a second, faults of 2 s. ``E2E_SIZE=full``: 3,000 records a second, a broker that is down for 25 s at
the start and for 12 and 70 s later, networks that are bad for 30 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from brokers.kafka_topics import KafkaTopics
from brokers.toxiproxy import ProxiedKafka
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.progress import Progress, assert_calm, memory_bytes
from e2e.readiness import Probe
from e2e.size import FULL, size
from e2e.traffic import PacedSender, Traffic
from e2e.verifier import assert_one_outcome_each, lines, offsets
from fault_table import Figures

_RATE: Final = size(2_000, 3_000)
_SERIES: Final = size(100, 1_000)
_PARTITIONS: Final = 4
_LONGEST_S: Final = size(120, 600)
_STEPS: Final = _RATE * _LONGEST_S // _SERIES
_DOWN_AT_START_S: Final = size(3, 25)
_BAD_S: Final = size(2, 30)
_RECOVERED_S: Final = 30.0
_NOTICED_S: Final = 5.0
_MOST_MEMORY: Final = 1.2

pytestmark = [pytest.mark.kafka, pytest.mark.ordeal, pytest.mark.timeout(size(240, 1_200))]

Fault = Callable[[ProxiedKafka], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class _Case:
    """A fault, how long it lasts, and whether the flow can work during it."""

    row: int
    name: str
    fault: Fault
    seconds: float
    works: bool = False


@contextmanager
def _paused(kafka: ProxiedKafka) -> Generator[None]:
    kafka.broker.pause()
    try:
        yield
    finally:
        kafka.broker.resume()


@contextmanager
def _dead(kafka: ProxiedKafka) -> Generator[None]:
    kafka.broker.kill()
    try:
        yield
    finally:
        kafka.broker.start()


_LONG: Final = (
    _Case(4, "broker killed, down for 70 s", _dead, 70),
    _Case(9, "200 KB/s", lambda kafka: kafka.toxic("bandwidth", rate=200), 30, works=True),
)
_CASES: Final = (
    _Case(9, "answers after 500 ms", lambda kafka: kafka.toxic("latency", latency=500), _BAD_S, works=True),
    _Case(8, "connections reset", lambda kafka: kafka.toxic("reset_peer", timeout=0), _BAD_S),
    _Case(8, "packets lost without a word", lambda kafka: kafka.toxic("timeout", timeout=0), _BAD_S + 1),
    _Case(8, "network cut", ProxiedKafka.cut, _BAD_S),
    _Case(5, "broker hangs", _paused, size(3, 5)),
    _Case(4, "broker killed, down for a while", _dead, size(3, 12)),
    *(_LONG if FULL else ()),
)


@pytest.fixture
def flow(proxied_kafka: ProxiedKafka, program: Program, tmp_path: Path) -> FlowRuns:
    """A flow that reaches its broker by the proxy, while the test does so directly; no topics yet."""
    soon = {"socket.timeout.ms": 3_000}  # a lost packet is noticed after this time, 20 s by default
    changes = {
        "alert": TALKATIVE,
        "source": {"timeout_s": 30, "client": soon},
        "output": {"alerts": {"timeout_s": 30, "client": soon}},
        "metrics": {"listen": "127.0.0.1:0"},
    }
    direct = KafkaTopics(proxied_kafka.broker.bootstrap)
    runs = FlowRuns.of("kafka", changes, program, direct, tmp_path / "flow.yaml", "readings", every="500ms")
    return runs.by_way_of(proxied_kafka.bootstrap)


def _producing(flow: FlowRuns) -> PacedSender:
    """Return what sends readings, a spike in every 1,000, for the length of a block."""
    return PacedSender(flow.bootstrap, flow.readings, Traffic.spiky(_SERIES, _STEPS, _PARTITIONS).records(), _RATE)


def _begin_without_broker(flow: FlowRuns, kafka: ProxiedKafka) -> tuple[Job, float]:
    """Start the job while its broker is down: it says so for as long as that lasts, and begins by itself.

    Return it, and the seconds from the start of the broker until it was ready.
    """
    kafka.broker.start()
    flow.create_topics(_PARTITIONS, ("broken", "whole"))
    kafka.broker.kill()
    job = flow.start("broken", "--log-format", "json")
    probe = Probe.of(job)
    since = time.monotonic()
    while time.monotonic() - since < _DOWN_AT_START_S:
        assert job.alive, job.err
        assert probe.hindrance() == "input must be open, is being looked for: the flow starts"
        time.sleep(0.1)  # the length of the fault
    kafka.broker.start()
    since = time.monotonic()
    probe.await_ready(_RECOVERED_S)
    return job, time.monotonic() - since


def _strike(case: _Case, kafka: ProxiedKafka, job: Job, progress: Progress) -> float:
    """Let a fault come and go; return the seconds from its end until the flow has caught up."""
    probe = Probe.of(job)
    with case.fault(kafka):
        end = time.monotonic() + case.seconds
        if case.works:
            progress.await_more(job, case.seconds + _NOTICED_S, records=_RATE)
        else:
            probe.await_hindrance(_NOTICED_S)
        while time.monotonic() < end:
            assert job.alive, job.err
            time.sleep(0.1)  # the length of the fault
    recovery_s = progress.caught_up(job, _RECOVERED_S)
    probe.await_ready(_NOTICED_S)
    return recovery_s


def _finish_weighed(flow: FlowRuns) -> int:
    """Run without faults to the end of the topic; return the most memory that this was seen to take [bytes]."""
    job, most_bytes = flow.start("whole", "--until-end"), 0
    while job.alive:
        most_bytes = max(most_bytes, memory_bytes(job))
        time.sleep(0.02)  # between two looks
    job.wait().succeeded()
    return most_bytes


def test_one_process_outlives_what_brokers_and_networks_do(
    flow: FlowRuns, proxied_kafka: ProxiedKafka, tell: Callable[[Figures], None]
) -> None:
    """Every record has one outcome and every alert comes once; the job says when it cannot work and when it can."""
    job, begun_s = _begin_without_broker(flow, proxied_kafka)
    recovered = [(3, "broker down at the start", begun_s)]
    with _producing(flow) as sender:
        progress = Progress(flow.outcomes("broken"), sender)
        progress.await_more(job, _RECOVERED_S, records=_RATE)
        progress.caught_up(job, _RECOVERED_S)
        recovered += [(case.row, case.name, _strike(case, proxied_kafka, job, progress)) for case in _CASES]
    progress.completed(job, _RECOVERED_S)
    assert_calm(job.terminate().succeeded().err)
    calm_bytes = _finish_weighed(flow)
    lost = sender.sent - progress.judged()
    repeated = flow.assert_equal("broken", "whole")
    assert_one_outcome_each(lines(flow.outcomes("broken")), offsets(flow.bootstrap, flow.readings))
    memory = f"{progress.most_bytes / calm_bytes:.2f} of the memory without faults"
    for row, name, seconds in recovered:
        tell(Figures(row, name, sender.sent, lost, repeated, recovery_s=seconds, note=memory))
    assert lost == repeated == 0
    assert progress.most_bytes <= _MOST_MEMORY * calm_bytes
