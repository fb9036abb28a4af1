"""What the supervisor knows of its shards, from their starts, their reports and their ends."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from structlog.typing import FilteringBoundLogger

from pynomaly.application.tally import Totals, total_of
from pynomaly.infrastructure.telemetry.shard_metrics import ShardState
from pynomaly.presentation.cli.shard_report import ShardReport


@dataclass(slots=True)
class _Known:
    """One shard: the last report of its present process, and the counts of those before it."""

    name: str
    report: ShardReport | None = None
    earlier: Totals | None = None
    resumed_from: str | None = None
    starts: int = 0
    is_running: bool = False
    is_done: bool = False

    def counts(self) -> Totals:
        """Return what all its processes have counted, and the series of the last one."""
        present = None if self.report is None else self.report.totals
        return total_of(counts for counts in (self.earlier, present) if counts is not None)


class ShardBoard:
    """Watches the shards for their supervisor: logs, forwards what they print, keeps what they report.

    Parameters
    ----------
    log
        Where starts and ends are told.
    names
        The shards.
    """

    def __init__(self, log: FilteringBoundLogger, names: Iterable[str]) -> None:
        self._log = log
        self.is_draining = False
        """Whether all were asked to end."""
        self._shards = {name: _Known(name) for name in names}

    def started(self, name: str, pid: int) -> None:
        """Log the start."""
        shard = self._shards[name]
        if shard.report is not None:
            shard.earlier = shard.counts().without_series()
            shard.report = None
        shard.starts += 1
        shard.is_running = True
        self._log.info("shard_started", shard=name, pid=pid)

    def told(self, name: str, line: bytes) -> None:
        """Keep a report; print anything else, a whole line at once."""
        report = ShardReport.from_line(line)
        if report is None:
            sys.stdout.write(line.decode(errors="replace"))
            sys.stdout.flush()
            return
        shard = self._shards[name]
        shard.report = report
        if shard.starts == 1:
            shard.resumed_from = report.resumed_from

    def ended(self, name: str, status: int, restart_in_s: float | None) -> None:
        """Log the end."""
        shard = self._shards[name]
        shard.is_running, shard.is_done = False, status == 0 and restart_in_s is None
        if shard.is_done:
            self._log.info("shard_ended", shard=name, status=status)
        elif status == 0 and restart_in_s is not None:
            self._log.warning("shard_stopped_alone", shard=name, restart_in_s=round(restart_in_s, 1))
        else:
            wait = None if restart_in_s is None else round(restart_in_s, 1)
            self._log.warning("shard_ended", shard=name, status=status, restart_in_s=wait)

    def is_over(self, name: str) -> bool:
        """Return whether the last report says that the shard came to the end of its input."""
        report = self._shards[name].report
        return report is not None and report.at_end

    def draining(self) -> None:
        """Log it."""
        self.is_draining = True
        self._log.info("shards_draining")

    def killed(self, names: Sequence[str]) -> None:
        """Log it."""
        self._log.error("shards_killed", shards=list(names))

    def states(self) -> list[ShardState]:
        """Return the present state of each shard; any thread may ask."""
        return [
            ShardState(shard.name, _endpoint(shard), max(0, shard.starts - 1), shard.is_done)
            for shard in self._shards.values()
        ]

    def totals(self) -> Totals:
        """Return what all of them have counted; what a crash made a shard judge again counts again."""
        return total_of(shard.counts() for shard in self._shards.values())

    def restarts(self) -> int:
        """Return how often any shard was started again."""
        return sum(state.restarts for state in self.states())

    def alerts_to(self) -> list[str]:
        """Return where alerts go: one place, or a file for each shard."""
        reports = [shard.report for shard in self._shards.values() if shard.report is not None]
        return list(dict.fromkeys(report.alerts_to for report in reports))

    def alerts_in_files(self) -> int | None:
        """Return how many alerts the files hold by now; None if they go elsewhere."""
        reports = [shard.report for shard in self._shards.values() if shard.report is not None]
        counts = [report.alerts_in_file for report in reports if report.alerts_in_file is not None]
        return sum(counts) if counts and len(counts) == len(reports) else None

    def resumed_from(self) -> datetime | None:
        """Return when the oldest of the states that this run went on from was saved; None if there was none."""
        moments = (shard.resumed_from for shard in self._shards.values() if shard.resumed_from is not None)
        return min(map(datetime.fromisoformat, moments), default=None)


def _endpoint(shard: _Known) -> str | None:
    return shard.report.endpoint if shard.is_running and shard.report is not None else None
