"""One shard of a flow in a process of its own: ``python -m pynomaly.presentation.cli.shard_process ORDERS``.

Started by the supervisor only; it reports on standard output (`shard_report`), logs on standard error, and ends with
the program's exit statuses.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pynomaly.application.shard import Shard
from pynomaly.application.spec.shard_files import with_own_files
from pynomaly.application.tally import Tally
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.infrastructure.processes.lifeline import end_with_parent
from pynomaly.infrastructure.telemetry.logs import configure_logs
from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.exit_status import error_lines, exit_code, is_foreseen
from pynomaly.presentation.cli.hung_call import end_process
from pynomaly.presentation.cli.run_orders import ShardOrders
from pynomaly.presentation.cli.run_report import RunReport
from pynomaly.presentation.cli.running_process import announce, listeners, load_kernels_of, tracing_of
from pynomaly.presentation.cli.shard_report import Reporter, ShardReport, tell

_LOOPBACK = "127.0.0.1:0"


@dataclass(slots=True)
class _Watch:
    """What the reports are made from."""

    report: RunReport
    tally: Tally
    endpoint: str | None = None

    def serving(self, url: str) -> None:
        self.endpoint = url

    def present(self) -> ShardReport:
        saved_at = self.report.saved_at
        resumed_from = None if saved_at is None else saved_at.isoformat()
        return ShardReport(self.tally.totals(), self.report.alerts, self.endpoint, resumed_from)

    def last(self, *, at_end: bool) -> ShardReport:
        found = self.report.end(self.tally.totals(), 0.0).alerts_in_file
        present = self.present()
        return ShardReport(present.totals, present.alerts_to, None, present.resumed_from, found, at_end)


def main(arguments: list[str]) -> int:
    """Run the shard that the orders describe; return the exit status."""
    orders = ShardOrders.from_text(arguments[0])
    end_with_parent(orders.supervisor)
    shard = Shard(orders.index, orders.count)
    try:
        _run(orders, shard)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost handler: all end here
        return _report(error, shard)
    return os.EX_OK


def _run(orders: ShardOrders, shard: Shard) -> None:
    from pynomaly.bootstrap import services_of
    from pynomaly_flows.live import LiveOptions, run_live

    configure_logs(orders.log_level, orders.log_format, facts={"shard": str(shard)})
    root = Path(orders.state)
    services = services_of(with_own_files(load_flow(Path(orders.flow), environment()), shard))
    watch = _Watch(RunReport.begin(services, root / shard.name, reset_state=False), Tally())
    announce(services, watch.report)
    if "repartition" not in (orders.stage, orders.turn):
        load_kernels_of(services)
    options = LiveOptions(
        root, until_end=orders.until_end, shard=shard, supervised=True, stage=orders.stage, turn=orders.turn
    )
    listen = _LOOPBACK if orders.serves_metrics else ""
    with (
        tracing_of(services.plan.name) as trace,
        listeners(services, watch.tally, listen, watch.serving) as telemetry,
        Reporter(watch.present),
        services.calls.watched(partial(end_process, who=f"shard {shard}: ")),
    ):
        at_end = run_live(services, telemetry, options, trace)
    tell(watch.last(at_end=at_end))


def _report(error: Exception | KeyboardInterrupt, shard: Shard) -> int:
    if isinstance(error, Exception):
        if not is_foreseen(error):
            traceback.print_exception(error)
        lines = error_lines(error) if is_foreseen(error) else ["error: this is a bug in pynomaly: please report it"]
        sys.stderr.write("".join(f"{line.replace('error: ', f'error: shard {shard}: ', 1)}\n" for line in lines))
    return exit_code(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
