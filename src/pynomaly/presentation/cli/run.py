"""`pynomaly run`: a flow, live."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Final

import typer

import pynomaly
from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile, StateFolderOption, default_state_folder

if TYPE_CHECKING:
    from pynomaly.application.spec.flow import FlowSpec
    from pynomaly.application.tally import Tally
    from pynomaly.application.telemetry import Telemetry
    from pynomaly.bootstrap import Services
    from pynomaly.presentation.cli.run_report import RunReport
    from pynomaly_flows.engine_step import Trace

_LOGGER: Final = "pynomaly.run"
_MARGIN_S: Final = 60.0


class LogLevel(StrEnum):
    """Least urgent log lines shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


def run_flow(
    flow: FlowFile,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the end that the input has at the start.")
    ] = False,
    state: StateFolderOption = None,
    reset_state: Annotated[bool, typer.Option("--reset-state", help="Forget the saved state and begin again.")] = False,
    log_level: Annotated[
        LogLevel, typer.Option(metavar="debug|info|warning|error", help="Least urgent log lines shown.")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            metavar="auto|json|console", help="Log lines for people (console) or machines (json); auto: by who reads."
        ),
    ] = LogFormat.AUTO,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Serve /metrics and /healthz there, whatever the flow says.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a flow: read, judge, alert and keep state until the input ends or somebody stops it.

    SIGTERM and SIGINT drain it: what was read is finished and saved, and the exit status is 0. The next run goes on
    exactly there.
    """
    from pynomaly.application.tally import Tally
    from pynomaly.bootstrap import services_of
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.infrastructure.telemetry.logs import configure_logs
    from pynomaly.presentation.cli.run_report import RunReport, print_report
    from pynomaly_flows.live import LiveOptions, run_live

    configure_logs(log_level.value, log_format.value)
    services = services_of(load_flow(flow, environment()))
    folder = default_state_folder(services.plan.name) if state is None else state
    _refuse_mixed_output(services, as_json=as_json)
    report, tally = RunReport.begin(services, folder, reset_state=reset_state), Tally()
    _announce(services, report)
    _load_kernels(services)
    started_s = perf_counter()
    listen = services.spec.metrics.listen if metrics is None else metrics
    with _tracing(services.plan.name) as trace, _listeners(services, tally, listen) as telemetry:
        run_live(services, telemetry, LiveOptions(folder, until_end=until_end, reset_state=reset_state), trace)
    print_report(report.end(tally.totals(), perf_counter() - started_s), as_json=as_json)


def _refuse_mixed_output(services: Services, *, as_json: bool) -> None:
    from pynomaly.application.spec.sink import TerminalSink
    from pynomaly.domain.error import ConfigError, Problem

    if as_json and isinstance(services.spec.output.alerts, TerminalSink):
        rule = "must not be the terminal with --json, which writes there too: send the alerts to a file"
        raise ConfigError(Problem("output.alerts", rule))


def _announce(services: Services, report: RunReport) -> None:
    import structlog

    structlog.get_logger(_LOGGER).info(
        "flow_starting",
        flow=services.plan.name,
        source=report.source,
        state=str(report.state),
        alerts=report.alerts,
        resumes=report.saved_at is not None,
    )


def _load_kernels(services: Services) -> None:
    """Compile before the first record comes: it is the one long wait, and someone may be watching."""
    from pynomaly.presentation.cli.kernel_loading import LOADING_KERNELS, load_kernels
    from pynomaly.presentation.cli.patience import say_if_long

    with say_if_long(LOADING_KERNELS):
        load_kernels(services.engine_for, len(services.plan.fields))


@contextmanager
def _tracing(flow: str) -> Generator[Trace]:
    """Send a span for each batch where the OTEL_* variables say, for the length of a block."""
    from pynomaly.infrastructure.telemetry.tracing import batch_span, tracing_from

    tracing = tracing_from(environment(), pynomaly.__version__)
    try:
        yield partial(batch_span, tracing.tracer, flow)
    finally:
        tracing.close()


@contextmanager
def _listeners(services: Services, tally: Tally, listen: str) -> Generator[Telemetry]:
    """Serve metrics for the length of a block, if an address is given."""
    if not listen:
        yield tally
        return
    import structlog
    from prometheus_client import CollectorRegistry

    from pynomaly.application.tally import Tee
    from pynomaly.infrastructure.telemetry.endpoint import MetricsEndpoint
    from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
    from pynomaly.infrastructure.telemetry.metrics import PrometheusTelemetry

    registry, heartbeat = CollectorRegistry(), Heartbeat(_longest_wait_s(services.spec) + _MARGIN_S)
    prometheus = PrometheusTelemetry(
        services.plan.name,
        registry,
        version=pynomaly.__version__,
        heartbeat=heartbeat,
        outputs=[output.name for output in services.outputs(None)],
        refitted_parts=_refitted_parts(services),
    )
    with MetricsEndpoint(listen, registry, heartbeat.problem) as endpoint:
        structlog.get_logger(_LOGGER).info("metrics_served", url=f"{endpoint.url}/metrics")
        yield Tee(tally, prometheus)


def _longest_wait_s(spec: FlowSpec) -> float:
    """Return how long a flow that is well may stand still: for a broker, or for fits that stand in one queue."""
    from pynomaly.application.spec.detect import PyodPart
    from pynomaly.application.spec.sink import KafkaSink
    from pynomaly.infrastructure.adapted.fit_process import FIT_TIMEOUT_S

    output = spec.output
    sinks = (output.alerts, output.dead_letters, output.late, output.outcomes)
    deliveries = (sink.delivery_timeout_s for sink in sinks if isinstance(sink, KafkaSink))
    fits = FIT_TIMEOUT_S * sum(isinstance(part.spec, PyodPart) for part in spec.parts)
    return max([fits, *deliveries])


def _refitted_parts(services: Services) -> list[str]:
    from pynomaly.application.spec.detect import PyodPart

    return [part.name for part in services.spec.parts if isinstance(part.spec, PyodPart)]
