"""Metrics and health of several shards at one address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pynomaly.application.telemetry import BatchProcessed
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import Stream
from pynomaly.infrastructure.telemetry.endpoint import MetricsEndpoint
from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
from pynomaly.infrastructure.telemetry.metrics import PrometheusTelemetry
from pynomaly.infrastructure.telemetry.shard_metrics import ShardMetrics, ShardState, problem_of


class Shards:
    """Two shards that serve what they count; the third has not started."""

    def __init__(self, held: ExitStack) -> None:
        self.hanging = False
        self.telemetry: list[PrometheusTelemetry] = []
        self.endpoints: list[MetricsEndpoint] = []
        for _ in range(2):
            registry = CollectorRegistry()
            self.telemetry.append(PrometheusTelemetry("f", registry, version="1", heartbeat=Heartbeat(60.0)))
            self.endpoints.append(
                held.enter_context(MetricsEndpoint("127.0.0.1:0", registry, self.problem, lambda: None))
            )

    def problem(self) -> str | None:
        """Answer for both."""
        return "the flow hangs" if self.hanging else None

    def states(self, *, third: bool = False) -> list[ShardState]:
        """Return what a supervisor would."""
        running = [ShardState(f"{n}/3", self.endpoints[n].url, restarts=n, is_done=False) for n in range(2)]
        return [*running, ShardState("2/3", None, restarts=0, is_done=not third)]


@pytest.fixture
def shards() -> Iterator[Shards]:
    """Serve two shards for the length of a test."""
    with ExitStack() as held:
        yield Shards(held)


def _registry(shards: Shards) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(ShardMetrics("f", shards.states))
    return registry


def test_each_shard_keeps_its_counts(shards: Shards) -> None:
    """The same stream in two shards is two time series; a sum over the label is the flow's."""
    for number, telemetry in enumerate(shards.telemetry):
        records = {Reason.BELOW_THRESHOLD: 10 + number}
        telemetry.batch_processed(BatchProcessed(Stream("orders", number), 0.1, records))
    registry = _registry(shards)
    for number in range(2):
        labels = {"flow": "f", "stream": f"orders[{number}]", "shard": f"{number}/3"}
        assert registry.get_sample_value("pynomaly_records_total", labels) == 10 + number
        assert registry.get_sample_value("pynomaly_batch_seconds_count", {"flow": "f", "shard": f"{number}/3"}) == 1
        assert registry.get_sample_value("process_open_fds", {"shard": f"{number}/3"}) is not None
        assert registry.get_sample_value("pynomaly_shard_restarts_total", {"flow": "f", "shard": f"{number}/3"}) == (
            number
        )


def test_a_family_is_exposed_once(shards: Shards) -> None:
    """Prometheus refuses a page that describes a metric twice."""
    page = generate_latest(_registry(shards)).decode().splitlines()
    described = [line for line in page if line.startswith("# TYPE")]
    assert len(described) == len(set(described)) > 15


def test_a_shard_that_does_not_answer_is_down(shards: Shards) -> None:
    """The others are shown all the same; one at the end of its input is well."""
    registry = _registry(shards)
    shards.endpoints[0].stop()
    up = [registry.get_sample_value("pynomaly_shard_up", {"flow": "f", "shard": f"{n}/3"}) for n in range(3)]
    assert up == [0.0, 1.0, 1.0]


def test_all_are_well_only_if_each_is(shards: Shards) -> None:
    """A shard at the end of its input is well; one that starts, hangs or does not answer is not, and is named."""
    assert problem_of(shards.states(), "healthz") is None
    assert (problem_of(shards.states(third=True), "healthz") or "").startswith("shard 2/3 must run, is starting")
    shards.hanging = True
    assert problem_of(shards.states(), "healthz") == "shard 0/3: the flow hangs"
    shards.hanging = False
    shards.endpoints[1].stop()
    assert (problem_of(shards.states(), "healthz") or "").startswith("shard 1/3 must answer within 2 s, did not")
