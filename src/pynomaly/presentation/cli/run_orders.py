"""What somebody asked of `pynomaly run`, and what its supervisor asks of each shard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from pynomaly.application.repartition import Stage
from pynomaly.infrastructure.telemetry.logs import LogForm, LogLevel


@dataclass(frozen=True, slots=True)
class RunOrders:
    """A run.

    Parameters
    ----------
    flow
        Its file.
    state
        Folder of its durable state.
    until_end
        Stop at the end that the input has at the start.
    reset_state
        Forget the saved state first.
    log_level, log_format
        Which log lines are shown, and how.
    listen
        `host:port` of metrics and health; empty: off.
    as_json
        Print the summary for machines.
    stage
        What runs of a flow whose input is copied by series first; None: all of it.
    """

    flow: Path
    state: Path
    until_end: bool
    reset_state: bool
    log_level: LogLevel
    log_format: LogForm
    listen: str
    as_json: bool
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class ShardOrders:
    """A run's share for one process, on its command line.

    Parameters
    ----------
    supervisor
        Process that has started it, and with which it ends.
    index, count
        Which shard.
    flow, state, until_end, log_level, log_format
        As in `RunOrders`.
    serves_metrics
        Whether to serve metrics on loopback, for the supervisor to collect.
    stage
        As in `RunOrders`.
    turn
        The stage of a whole flow that runs now; None: as the flow has it.
    """

    supervisor: int
    index: int
    count: int
    flow: str
    state: str
    until_end: bool
    log_level: LogLevel
    log_format: LogForm
    serves_metrics: bool
    stage: Stage | None = None
    turn: Stage | None = None

    def to_text(self) -> str:
        """Return the orders as one argument."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> ShardOrders:
        """Read what `to_text` returned."""
        return msgspec.json.decode(text, type=cls)
