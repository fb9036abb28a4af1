"""What an orchestrator asks a running job: whether it is ready."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from brokers.kafka_topics import until
from e2e.job import Job

_STARTED_S = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks a job that was started with ``--metrics 127.0.0.1:0 --log-format json``."""

    url: str

    @classmethod
    def of(cls, job: Job) -> Probe:
        """Wait until the job says where it answers."""

        def served() -> list[str]:
            assert job.alive, job.err
            events = [json.loads(line) for line in job.err.splitlines() if '"metrics_served"' in line]
            return [str(event["url"]) for event in events]

        until(lambda: len(served()) > 0, "the job serves its readiness", _STARTED_S)
        return cls(served()[0].removesuffix("/metrics"))

    def hindrance(self) -> str | None:
        """Return what keeps the job from working; None if it is ready."""
        try:
            answer = urllib.request.urlopen(f"{self.url}/ready", timeout=5)  # noqa: S310 - loopback
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            told = json.loads(answer.read())
        assert (answer.status == 200) == (told == {"status": "ok"}), told
        return None if answer.status == 200 else str(told["problem"])

    def await_ready(self, within_s: float) -> None:
        """Wait until it is ready."""
        until(lambda: self.hindrance() is None, "the job is ready", within_s)

    def await_hindrance(self, within_s: float) -> None:
        """Wait until it is not."""
        until(lambda: self.hindrance() is not None, "the job tells that it is not ready", within_s)
