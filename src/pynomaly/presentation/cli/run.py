"""`pynomaly run`: a flow, live."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile, StateFolderOption, default_state_folder

if TYPE_CHECKING:
    from pynomaly.application.repartition import Stage
    from pynomaly.application.shard import Shard
    from pynomaly.application.spec.flow import FlowSpec
    from pynomaly.presentation.cli.run_orders import RunOrders


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
            metavar="HOST:PORT",
            help="Serve /metrics, /healthz and /ready there, whatever the flow says.",
            show_default=False,
        ),
    ] = None,
    shards: Annotated[
        int | None,
        typer.Option(min=1, max=1024, metavar="N", help="Divide the partitions among N processes.", show_default=False),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Be process K (from 0) of N, where something else starts and restarts them.",
            show_default=False,
        ),
    ] = None,
    stage: Annotated[
        Literal["repartition", "detect"] | None,
        typer.Option(
            metavar="repartition|detect",
            help="Of a flow with `keying: repartition` only copy the records by series, or only judge the copies.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a flow: read, judge, alert and keep state until the input ends or somebody stops it.

    SIGTERM and SIGINT drain it: what was read is finished and saved, and the exit status is 0. The next run goes on
    exactly there.
    """
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.run_orders import RunOrders

    spec, own = load_flow(flow, environment()), _own_shard(shard, shards)
    folder = default_state_folder(spec.flow) if state is None else state
    _refuse_mixed_output(spec, as_json=as_json)
    listen = spec.metrics.listen if metrics is None else metrics
    _check_stage(spec, stage, only_a_share_to_its_end=own is not None and until_end)
    orders = RunOrders(flow, folder, until_end, reset_state, log_level.value, log_format.value, listen, as_json, stage)
    _refuse_second_instance(folder, own)
    if shards is not None:
        from pynomaly.presentation.cli.shards import run_shards

        raise typer.Exit(run_shards(spec, orders, shards))
    _run_here(spec, orders, own)


def _run_here(spec: FlowSpec, orders: RunOrders, own: Shard | None) -> None:
    from pynomaly.application.spec.shard_files import with_own_files
    from pynomaly.application.tally import Tally
    from pynomaly.bootstrap import services_of
    from pynomaly.infrastructure.telemetry.logs import configure_logs
    from pynomaly.presentation.cli.hung_call import end_process
    from pynomaly.presentation.cli.run_report import RunReport, print_report
    from pynomaly.presentation.cli.running_process import announce, listeners, load_kernels_of, tracing_of
    from pynomaly_flows.live import LiveOptions, run_live
    from pynomaly_flows.shard_folders import shard_folder

    configure_logs(orders.log_level, orders.log_format)
    services = services_of(spec if own is None else with_own_files(spec, own))
    folder = shard_folder(orders.state, own).root
    report, tally = RunReport.begin(services, folder, reset_state=orders.reset_state), Tally()
    announce(services, report)
    if orders.stage != "repartition":
        load_kernels_of(services)
    started_s = perf_counter()
    options = LiveOptions(
        orders.state, until_end=orders.until_end, reset_state=orders.reset_state, shard=own, stage=orders.stage
    )
    with (
        tracing_of(spec.flow) as trace,
        listeners(services, tally, orders.listen, _say_served) as telemetry,
        services.calls.watched(end_process),
    ):
        run_live(services, telemetry, options, trace)
    print_report(report.end(tally.totals(), perf_counter() - started_s), as_json=orders.as_json)


def _check_stage(spec: FlowSpec, stage: Stage | None, *, only_a_share_to_its_end: bool) -> None:
    """Refuse stages that the flow does not have, and an end that the others may still be before."""
    from pynomaly.application.spec.source import KafkaSource
    from pynomaly.domain.error import ConfigError, Problem

    has_stages = isinstance(spec.source, KafkaSource) and spec.source.by_series is not None
    if stage is not None and not has_stages:
        raise ConfigError(Problem("--stage", "must be left out: the flow has no `source.keying: repartition`"))
    if has_stages and stage is None and only_a_share_to_its_end:
        rule = "must be given with --shard and --until-end: copies of all shards must be there before any is judged"
        raise ConfigError(Problem("--stage", rule))


def _own_shard(written: str | None, shards: int | None) -> Shard | None:
    from pynomaly.application.shard import Shard
    from pynomaly.domain.error import ConfigError, Problem

    if written is not None and shards is not None:
        raise ConfigError(Problem("--shard", "must not be given with --shards, which starts all of them"))
    return None if written is None else Shard.parse(written)


def _refuse_second_instance(folder: Path, own: Shard | None) -> None:
    """Look at the lock before anything heavy is loaded, and say at once what would be said later."""
    from pynomaly_flows.folder_lock import check_free

    check_free(folder, shared=own is not None)
    if own is not None:
        check_free(folder / own.name)


def _say_served(url: str) -> None:
    import structlog

    from pynomaly.presentation.cli.running_process import LOGGER

    structlog.get_logger(LOGGER).info("metrics_served", url=f"{url}/metrics")


def _refuse_mixed_output(spec: FlowSpec, *, as_json: bool) -> None:
    from pynomaly.application.spec.sink import TerminalSink
    from pynomaly.domain.error import ConfigError, Problem

    if as_json and isinstance(spec.output.alerts, TerminalSink):
        rule = "must not be the terminal with --json, which writes there too: send the alerts to a file"
        raise ConfigError(Problem("output.alerts", rule))
