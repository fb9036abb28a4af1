"""What every process sets up that runs a flow: a line in the log, kernels, traces, metrics."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Final

import structlog

import pynomaly
from pynomaly.application.kernel_loading import LOADING_KERNELS, load_kernels
from pynomaly.application.repartition import BY_SERIES
from pynomaly.application.spec.detect import AdaptedPartSpec, PyodPart
from pynomaly.application.tally import Tally, Tee
from pynomaly.application.telemetry import Telemetry
from pynomaly.bootstrap import Services
from pynomaly.infrastructure.telemetry.tracing import batch_span, tracing_from
from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.patience import say_if_long
from pynomaly.presentation.cli.run_report import RunReport
from pynomaly.presentation.cli.silence import longest_silence_s
from pynomaly_flows.engine_step import Trace

LOGGER: Final = "pynomaly.run"


def announce(services: Services, report: RunReport) -> None:
    """Log what is about to run."""
    structlog.get_logger(LOGGER).info(
        "flow_starting",
        flow=services.plan.name,
        source=report.source,
        state=str(report.state),
        alerts=report.alerts,
        resumes=report.saved_at is not None,
    )


def load_kernels_of(services: Services) -> None:
    """Compile before the first record comes: it is the one long wait, and someone may be watching."""
    with say_if_long(LOADING_KERNELS):
        load_kernels(services.engine_for, len(services.plan.fields))


@contextmanager
def tracing_of(flow: str) -> Generator[Trace]:
    """Send a span for each batch where the OTEL_* variables say, for the length of a block."""
    tracing = tracing_from(environment(), pynomaly.__version__)
    try:
        yield partial(batch_span, tracing.tracer, flow)
    finally:
        tracing.close()


@contextmanager
def listeners(services: Services, tally: Tally, listen: str, serving: Callable[[str], None]) -> Generator[Telemetry]:
    """Serve metrics for the length of a block, if an address is given; tell where, as `http://host:port`."""
    if not listen:
        yield tally
        return
    from prometheus_client import CollectorRegistry

    from pynomaly.infrastructure.telemetry.endpoint import MetricsEndpoint
    from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
    from pynomaly.infrastructure.telemetry.metrics import PrometheusTelemetry

    registry, heartbeat = CollectorRegistry(), Heartbeat(longest_silence_s(services.spec))
    copies = [] if services.repartition is None else [BY_SERIES]
    prometheus = PrometheusTelemetry(
        services.plan.name,
        registry,
        version=pynomaly.__version__,
        heartbeat=heartbeat,
        outputs=[*copies, *(output.name for output in services.outputs(None))],
        refitted_parts=_parts_of(services, PyodPart),
        adapted_parts=_parts_of(services, AdaptedPartSpec),
    )
    with MetricsEndpoint(listen, registry, heartbeat.problem, prometheus.hindrance) as endpoint:
        serving(endpoint.url)
        yield Tee(tally, prometheus)


def _parts_of(services: Services, *kinds: type) -> list[str]:
    return [part.name for part in services.spec.parts if isinstance(part.spec, kinds)]
