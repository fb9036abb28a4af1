"""A flow under traffic and random faults, and a second one beside it that is never interrupted.

Both read the same topic. The *shaken* run is killed, drained, and moved between one process and a cluster of two; the
*steady* one is left alone, so what it holds must level off; both live through the faults of the broker. Every minute
the traffic stops and the verifier looks, from the topics and files alone:

* each offset of the input has one outcome, in both runs (L);
* alerts without repeats equal those of a replay of the topic from its beginning, byte for byte (D);
* both runs have come to the end of the topic within 30 s (R);
* whoever was asked to stop ended with 0 within 10 s, and nobody wrote an error or a traceback (X).
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from brokers.apache_kafka import ApacheKafka
from brokers.kafka_topics import KafkaTopics, until
from e2e.cluster import Cluster
from e2e.flow_file import Tree
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.traffic import PacedSender
from e2e.verifier import Stored, offsets, toll, without_repeats
from fault_table import Figures
from pynomaly.application.ports import Message
from pynomaly.application.replay import replay
from pynomaly.bootstrap import services_of
from pynomaly.infrastructure.flow_file import load_flow
from soak.judged import Judged
from soak.mixture import PARTITIONS, mixture
from soak.vitals import Vitals

_CAUGHT_UP_S: Final = 30.0
_DRAINED_S: Final = 10.0
_ROOM_S: Final = 20.0  # beside others on the machine, and with the start of a cluster
_RATE: Final = 1_000
_RUNS: Final = ("shaken", "steady")
#: Windows for lateness, ids for repeats, a life span for series: everything that state can hold.
_FLOW: Final[Tree] = {
    "window": {
        "kind": "tumbling", "size": "6s", "slide": None, "aggregates": ["mean", "max", "count"], "lateness": "2s",
        "max_jump": "1d",
    },
    "dedupe": {"field": "id", "horizon": 20_000},
    "limits": {"idle": "60s"},
    "detectors": [
        {"detector": "ew_zscore", "fields": ["value.mean", "value.max"], "calibration": {"warm_up": 20}},
        {"river": "StandardAbsoluteDeviation", "fields": ["value.max"], "calibration": {"warm_up": 20}},
    ],
    "persistence": None,
    "alert": TALKATIVE,
    "output": {
        "dead_letters": {"path": "${OUTCOMES}.dead"},
        "late": {"kind": "file", "path": "${OUTCOMES}.late"},
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """How long, and which.

    Parameters
    ----------
    seed
        Of the records and of the faults.
    seconds
        For how long faults come.
    validate_every_s
        Time between two looks of the verifier.
    """

    seed: int
    seconds: float
    validate_every_s: float = 60.0


@dataclass(slots=True)
class _Told:
    faults: Counter[str] = field(default_factory=Counter[str])
    validations: int = 0
    repeated: Counter[str] = field(default_factory=Counter[str])
    lost: int = 0
    slowest_s: float = 0.0
    records: int = 0


class Soak:
    """One soak.

    Parameters
    ----------
    broker
        Started; killed, paused and started again here.
    folder
        For flows, states and outputs.
    options
        How long, and which.
    """

    def __init__(self, broker: ApacheKafka, folder: Path, options: SoakOptions) -> None:
        self._broker = broker
        self._options = options
        self._random = np.random.default_rng(options.seed)
        self._records = mixture(options.seed)
        self._program = Program(folder)
        self._topics = KafkaTopics(broker.bootstrap)
        self._flow = FlowRuns.of("windowed", _FLOW, self._program, self._topics, folder / "flow.yaml", "soak")
        self._judged = {run: Judged(self._flow.outcomes(run)) for run in _RUNS}
        self._jobs: list[Job] = []
        self._processes = 1
        self._told = _Told()
        actions: dict[Callable[[], None], int] = {
            self._rest: 3,
            self._kill: 5,
            self._drain: 2,
            self._rescale: 2,
            self._bounce_broker: 1,
            self._pause_broker: 1,
        }
        self._actions = tuple(actions)
        self._weights = np.array([*actions.values()]) / sum(actions.values())

    def run(self) -> Figures:
        """Soak; return the figures, or fail at the first invariant that does not hold."""
        self._flow.create_topics(PARTITIONS, _RUNS)
        steady = self._flow.start("steady")
        self._start()
        self._flow.await_new_epoch(steady, "steady")
        ends = time.monotonic() + self._options.seconds
        try:
            with Vitals(steady.pid) as vitals:
                while time.monotonic() < ends:
                    self._shake(min(ends, time.monotonic() + self._options.validate_every_s))
                    self._validate()
            self._stop()
            steady.ask_to_stop()
            _ended_well(steady)
            note = f"seed {self._options.seed}; {self._kinds()}; {vitals.assert_level()}"
        finally:
            self._program.close()
        told = self._told
        faults = told.faults.total() - told.faults["rest"]
        return Figures(32, "soak", told.records, told.lost, told.repeated["shaken"], faults, told.slowest_s, note)

    def _shake(self, until_s: float) -> None:
        """Let faults come under traffic until a moment."""
        sender = PacedSender(self._flow.bootstrap, self._flow.readings, self._records, _RATE)
        sender.start()
        while time.monotonic() < until_s:
            action = self._actions[int(self._random.choice(len(self._actions), p=self._weights))]
            self._told.faults[action.__name__.removeprefix("_")] += 1
            action()
        sender.stop()

    def _rest(self) -> None:
        time.sleep(self._random.uniform(0.5, 3.0))

    def _kill(self) -> None:
        """Kill all processes, at a random moment after a checkpoint that was not there before."""
        self._flow.await_new_epoch(self._jobs[0], "shaken")
        time.sleep(self._random.uniform(0.0, 1.5))
        for job in self._jobs:
            job.ask_to_stop(signal.SIGKILL)  # all at once: whoever outlives another process of its cluster says so
        for job in self._jobs:
            assert job.kill().code == -9, job.err
            _assert_quiet(job.err)
        self._start()

    def _drain(self) -> None:
        self._stop()
        self._start()

    def _rescale(self) -> None:
        self._stop()
        self._processes = 3 - self._processes
        self._start()

    def _bounce_broker(self) -> None:
        self._broker.kill()
        time.sleep(self._random.uniform(0.0, 3.0))
        self._broker.start()

    def _pause_broker(self) -> None:
        self._broker.pause()
        time.sleep(self._random.uniform(0.5, 5.0))
        self._broker.resume()

    def _start(self) -> None:
        if self._processes == 1:
            self._jobs = [self._flow.start("shaken")]
        else:
            self._jobs = Cluster(self._flow, "shaken", self._processes).jobs
        self._flow.await_new_epoch(self._jobs[0], "shaken")

    def _stop(self) -> None:
        for job in self._jobs:
            job.ask_to_stop()
        for job in self._jobs:
            _ended_well(job)

    def _validate(self) -> None:
        """Wait until both runs have judged everything, and compare them with a replay."""
        since = time.monotonic()
        read, told = offsets(self._flow.bootstrap, self._flow.readings), self._told
        for run, judged in self._judged.items():
            until(lambda judged=judged: judged.count() >= len(read), f"{run} has caught up", _CAUGHT_UP_S + _ROOM_S)
        told.slowest_s = max(told.slowest_s, time.monotonic() - since)
        self._stop()  # what it wrote is durable now: no restart takes any of it back
        expected = self._replayed()
        assert expected, "a soak without alerts proves nothing"
        for run, judged in self._judged.items():
            judged.assert_one_each(read)
            alerted = self._flow.alerted(run)
            assert without_repeats(alerted) == expected, f"{run} must alert like a replay"
            cost = toll(judged.verified, read, (message.id for message in alerted), expected)
            told.repeated[run], told.lost = cost.repeated, told.lost + cost.lost
        assert not told.repeated["steady"], "a run that nobody interrupts must not repeat anything"
        told.validations, told.records = told.validations + 1, len(read)
        print(f"{told.records:,} records, {len(expected):,} alerts, {self._kinds()}", flush=True)  # noqa: T201
        self._start()

    def _replayed(self) -> dict[str, Stored]:
        found = list[Message]()
        services = services_of(load_flow(self._flow.file, self._flow.environment("replay")))
        encode = services.outputs(None)[0].encode
        replay(services.source, services.engine_for, lambda result: found.extend(encode(result)))
        return without_repeats(Stored(one.key, one.value, tuple(one.headers)) for one in found)

    def _kinds(self) -> str:
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(self._told.faults.items()))
        return f"{self._told.validations} validations; {counts}"


def _ended_well(job: Job) -> None:
    """Wait for a process that was asked to stop."""
    ended = job.wait(_DRAINED_S + _ROOM_S).succeeded()
    _assert_quiet(ended.err)


def _assert_quiet(err: str) -> None:
    loud = [line for line in err.splitlines() if line.startswith(("error: ", "Traceback")) or "panicked" in line]
    assert not loud, err
