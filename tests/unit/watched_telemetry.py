"""A telemetry under a clock that a test moves, with the registry that it writes to."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pynomaly.application.telemetry import BatchProcessed
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import Stream
from pynomaly.domain.series import Eviction
from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
from pynomaly.infrastructure.telemetry.metrics import PrometheusTelemetry

ORDERS = Stream("orders", 3)


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time [s]."""
        return self.now


class Watched:
    """A telemetry with the registry that it writes to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.heartbeat = Heartbeat(60.0, self.clock)
        self.registry = CollectorRegistry()
        self.telemetry = PrometheusTelemetry(
            "checkout",
            self.registry,
            version="1.2.3",
            heartbeat=self.heartbeat,
            outputs=("alerts", "dead_letters"),
            refitted_parts=("forest",),
            adapted_parts=("forest",),
        )

    def value(self, name: str, **labels: str) -> float | None:
        """Read one sample of flow `checkout`."""
        return self.registry.get_sample_value(name, {"flow": "checkout", **labels})


def batch(stream: Stream = ORDERS, newest_time_ns: int | None = 1_700_000_000_500_000_000) -> BatchProcessed:
    """Return a batch of 100 records: 90 normal, 7 warming, 3 alerted."""
    return BatchProcessed(
        stream,
        seconds=0.004,
        by_reason={Reason.BELOW_THRESHOLD: 90, Reason.DETECTOR_WARMING: 7, Reason.ALERTED: 3},
        alerts={Level.WATCH: 2, Level.CRITICAL: 1},
        newest_time_ns=newest_time_ns,
        windows={Reason.ALERTED: 1},
        evicted={Eviction.EXPIRED: 0, Eviction.DISPLACED: 5},
    )
