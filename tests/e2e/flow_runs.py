"""Runs of one flow over one topic, each with a state and outputs of its own: one is broken, another is the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from brokers.kafka_topics import KafkaTopics, until
from e2e.flow_file import Tree, derived_flow
from e2e.job import WITHIN_S, Ended, Job, Program
from e2e.verifier import (
    Stored,
    Toll,
    durable_epoch,
    lines,
    offsets,
    order_by_key,
    places,
    stored,
    toll,
    without_repeats,
)

_FIRST_EPOCH_S: Final = 60.0

#: What a ready flow must say so that each run can write elsewhere and checkpoint in its own time.
_PLACES: Final[Tree] = {
    "output": {"outcomes": {"kind": "file", "path": "${OUTCOMES}"}, "outcomes_of": "all"},
    "checkpoint": {"every": "${CHECKPOINT_EVERY}", "share": 1},
}

#: Low bars, so that every epoch has alerts; what is tested does not depend on their number.
TALKATIVE: Final[Tree] = {"levels": {"watch": 1.2, "warning": 3}, "bump": 1}


@dataclass(frozen=True, slots=True)
class FlowRuns:
    """A flow, its topic, and the names of what each run of it writes.

    Parameters
    ----------
    program
        Starts the runs.
    topics
        The cluster.
    file
        The flow, which names its topics and its outcomes file by reference.
    readings
        The topic that all runs read.
    every
        Time between two checkpoints.
    way
        Where the program reaches the cluster, if not where the test does.
    """

    program: Program
    topics: KafkaTopics
    file: Path
    readings: str
    every: str = "1s"
    way: str | None = None

    @classmethod
    def of(
        cls,
        ready: str,
        changes: Tree,
        program: Program,
        topics: KafkaTopics,
        file: Path,
        readings: str,
        every: str = "1s",
    ) -> FlowRuns:
        """Derive a flow from a ready one."""
        return cls(program, topics, derived_flow(ready, file, _PLACES, changes), readings, every)

    @property
    def bootstrap(self) -> str:
        """The cluster's address."""
        return self.topics.bootstrap

    def by_way_of(self, bootstrap: str) -> FlowRuns:
        """Return the same runs, whose program connects elsewhere."""
        return replace(self, way=bootstrap)

    def create_topics(self, partitions: int, runs: Iterable[str]) -> None:
        """Create the input, and an alert topic for each run."""
        self.topics.create(self.readings, partitions)
        for run in runs:
            self.topics.create(self.alerts(run), 2)

    def start(self, run: str, *arguments: str, every: str | None = None) -> Job:
        """Start a run, or let it go on."""
        command = ("run", self.file, "--state", f"state-{run}", *arguments)
        return self.program.start(*command, **self.environment(run, every))

    def finish(self, run: str, within_s: float = WITHIN_S) -> list[Stored]:
        """Run to the end of the topic; return all alerts of the run."""
        self.start(run, "--until-end").wait(within_s).succeeded()
        return self.alerted(run)

    def replay(self, *arguments: str, within_s: float = WITHIN_S) -> Ended:
        """Replay the topic."""
        return self.program.run(
            *("replay", self.file, *arguments), within_s=within_s, **self.environment("replay")
        ).succeeded()

    def toll(self, run: str, whole: str, outcomes: Iterable[Path] = ()) -> Toll:
        """Count what a run has lost and repeated; ``outcomes`` are its files, where it has several."""
        files = [*outcomes] or [self.outcomes(run)]
        judged = (place for file in files for place in places(lines(file)))
        found, expected = ((message.id for message in self.alerted(name)) for name in (run, whole))
        return toll(judged, offsets(self.bootstrap, self.readings), found, expected)

    def environment(self, run: str, every: str | None = None) -> dict[str, str]:
        """Return what the references of the flow mean in a run."""
        return {
            "KAFKA_BOOTSTRAP": self.way or self.bootstrap,
            "KAFKA_INPUT_TOPIC": self.readings,
            "KAFKA_ALERT_TOPIC": self.alerts(run),
            "OUTCOMES": self.outcomes(run).name,
            "CHECKPOINT_EVERY": every or self.every,
        }

    def alerts(self, run: str) -> str:
        """Name the alert topic of a run."""
        return f"{self.readings}-{run}"

    def alerted(self, run: str) -> list[Stored]:
        """Return what the alert topic of a run holds by now."""
        return stored(self.bootstrap, self.alerts(run))

    def outcomes(self, run: str) -> Path:
        """Return the outcomes file of a run."""
        return self.file.with_name(f"outcomes-{run}.jsonl")

    def state(self, run: str) -> Path:
        """Return the state folder of a run."""
        return self.file.with_name(f"state-{run}")

    def await_new_epoch(self, job: Job, run: str) -> None:
        """Wait until the store shows a durable epoch that was not there before."""
        before = durable_epoch(self.state(run))

        def durable() -> bool:
            assert job.alive, job.err
            return durable_epoch(self.state(run)) != before

        until(durable, "a new epoch is durable", _FIRST_EPOCH_S)

    def assert_equal(self, broken: str, whole: str, least_alerts: int = 50) -> int:
        """Fail unless two runs, one of them uninterrupted, gave the same.

        Alerts without repeats are equal byte for byte, headers included, and in the same order for each key; lines of
        outcomes are equal with no repeats to drop. Return the number of repeated alerts.
        """
        repeated, expected = self.alerted(broken), self.alerted(whole)
        assert len(expected) >= least_alerts, f"{len(expected)} alerts prove little"
        assert len(without_repeats(expected)) == len(expected), "an uninterrupted run must not repeat anything"
        assert without_repeats(repeated) == without_repeats(expected)
        assert order_by_key(repeated) == order_by_key(expected)
        first, second = (sorted(self.outcomes(run).read_bytes().splitlines()) for run in (broken, whole))
        assert first == second, "a file is cut back at a restart: it must not hold repeats either"
        return len(repeated) - len(expected)
