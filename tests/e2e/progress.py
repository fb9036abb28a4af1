"""How far a run has come, told from what it has made durable, and what its log must not say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from brokers.kafka_topics import until
from e2e.job import Job
from e2e.traffic import PacedSender

_BEHIND: Final = 1_000
_WORDS_OF_A_CRASH: Final = ("Traceback", "panicked", "Error 134")


@dataclass(slots=True)
class Progress:
    """Compares the outcomes of a run with what was sent.

    Parameters
    ----------
    outcomes
        File with a line for each record that was judged, written with each checkpoint.
    sender
        Of the records.
    most_bytes
        The most memory that the job was seen to hold.
    """

    outcomes: Path
    sender: PacedSender
    most_bytes: int = 0

    def judged(self) -> int:
        """Return how many records have an outcome."""
        return self.outcomes.read_bytes().count(b"\n") if self.outcomes.exists() else 0

    def await_more(self, job: Job, within_s: float, records: int = 1) -> None:
        """Wait until further records have an outcome."""
        before = self.judged()

        def more() -> bool:
            assert job.alive, job.err
            return self.judged() >= before + records

        until(more, "further records are judged", within_s)

    def caught_up(self, job: Job, within_s: float, behind: int = _BEHIND) -> float:
        """Wait until less than a number of records have no outcome; return how long that took [s]."""
        since = time.monotonic()

        def close() -> bool:
            assert job.alive, job.err
            self.weigh(job)
            return self.sender.sent - self.judged() < behind

        until(close, f"less than {behind} records behind", within_s)
        return time.monotonic() - since

    def completed(self, job: Job, within_s: float) -> None:
        """Wait until every record has an outcome; nobody sends any more."""
        self.caught_up(job, within_s, behind=1)

    def weigh(self, job: Job) -> None:
        """Look how much memory the job holds now."""
        self.most_bytes = max(self.most_bytes, memory_bytes(job))


def memory_bytes(job: Job) -> int:
    """Return the memory that a job holds now [bytes]; 0 if it has just ended."""
    try:
        held: int = psutil.Process(job.pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return held


def assert_calm(errors: str, *, allowed: Iterable[str] = ()) -> None:
    """Fail if a log of JSON lines has an error other than the allowed events, or a raw trace."""
    for word in _WORDS_OF_A_CRASH:
        assert word not in errors, errors
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    found = {line["event"] for line in lines if line["level"] in ("error", "critical")}
    assert found <= set(allowed), errors
