"""`pynomaly run --shards N`: a flow in N processes that are watched as one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Final

import structlog

from pynomaly.application.exit_status import may_mend
from pynomaly.application.repartition import Stage
from pynomaly.application.shard import Shard
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.source import KafkaSource
from pynomaly.infrastructure.processes.supervisor import Child, Supervisor
from pynomaly.infrastructure.telemetry.logs import configure_logs
from pynomaly.presentation.cli.run_orders import RunOrders, ShardOrders
from pynomaly.presentation.cli.shard_board import ShardBoard
from pynomaly.presentation.cli.shards_summary import ShardsSummary, print_summary
from pynomaly.presentation.cli.silence import longest_silence_s

_LOGGER: Final = "pynomaly.shards"


def run_shards(spec: FlowSpec, orders: RunOrders, count: int) -> int:
    """Run all shards until they are done or somebody stops them; return the exit status.

    Raises
    ------
    PynomalyError
        When they cannot be started.
    """
    from pynomaly_flows.shard_folders import alone

    configure_logs(orders.log_level, orders.log_format)
    shards, started_s = Shard.all_of(count), perf_counter()
    status, board = os.EX_OK, _board(shards)
    with alone(orders.state, count, reset=orders.reset_state):
        for turn in _turns(spec, orders):
            board = _board(shards)
            status = _run_turn(spec, orders, turn, shards, board)
            if status != os.EX_OK or board.is_draining:
                break
    if status == os.EX_OK:
        print_summary(ShardsSummary(spec, orders.state, board, perf_counter() - started_s), as_json=orders.as_json)
    return status


def _turns(spec: FlowSpec, orders: RunOrders) -> Sequence[Stage | None]:
    """Return what all shards do before all do the next: only when all have copied, one knows where the copies end."""
    copies = isinstance(spec.source, KafkaSource) and spec.source.by_series is not None
    return ("repartition", "detect") if copies and orders.until_end and orders.stage is None else (None,)


def _board(shards: Sequence[Shard]) -> ShardBoard:
    return ShardBoard(structlog.get_logger(_LOGGER), [str(shard) for shard in shards])


def _run_turn(spec: FlowSpec, orders: RunOrders, turn: Stage | None, shards: Sequence[Shard], board: ShardBoard) -> int:
    children = [Child(str(shard), _command(orders, shard, turn)) for shard in shards]
    with _endpoint(spec, orders.listen, board):
        return asyncio.run(_supervise(children, board, longest_silence_s(spec)))


async def _supervise(children: Sequence[Child], board: ShardBoard, drain_s: float) -> int:
    return await Supervisor(children, board, may_mend, drain_s).run()


def _command(orders: RunOrders, shard: Shard, turn: Stage | None) -> list[str]:
    share = ShardOrders(
        supervisor=os.getpid(),
        index=shard.index,
        count=shard.count,
        flow=str(orders.flow),
        state=str(orders.state),
        until_end=orders.until_end,
        log_level=orders.log_level,
        log_format=orders.log_format,
        serves_metrics=bool(orders.listen),
        stage=orders.stage,
        turn=turn,
    )
    return [sys.executable, "-P", "-m", "pynomaly.presentation.cli.shard_process", share.to_text()]


@contextmanager
def _endpoint(spec: FlowSpec, listen: str, board: ShardBoard) -> Generator[None]:
    """Serve the metrics and the health of all shards at one address, if one is given."""
    if not listen:
        yield
        return
    from prometheus_client import CollectorRegistry

    from pynomaly.infrastructure.telemetry.endpoint import MetricsEndpoint
    from pynomaly.infrastructure.telemetry.shard_metrics import ShardMetrics, problem_of

    registry = CollectorRegistry(auto_describe=False)
    registry.register(ShardMetrics(spec.flow, board.states))
    with MetricsEndpoint(
        listen, registry, lambda: problem_of(board.states(), "healthz"), lambda: problem_of(board.states(), "ready")
    ) as endpoint:
        structlog.get_logger(_LOGGER).info("metrics_served", url=f"{endpoint.url}/metrics")
        yield
