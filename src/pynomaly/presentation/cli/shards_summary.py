"""The last words of a run in shards: the counts of all of them as one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.presentation.cli.counts import counts_as_json, counts_lines
from pynomaly.presentation.cli.result import print_json, print_rich
from pynomaly.presentation.cli.shard_board import ShardBoard


@dataclass(frozen=True, slots=True)
class ShardsSummary:
    """What there is to say.

    Parameters
    ----------
    spec
        The flow.
    state
        Folder of its state.
    board
        What the shards have reported.
    seconds
        How long all of it took [s].
    """

    spec: FlowSpec
    state: Path
    board: ShardBoard
    seconds: float


def print_summary(run: ShardsSummary, *, as_json: bool) -> None:
    """Print the summary on standard output."""
    if as_json:
        print_json(_as_json(run))
    else:
        print_rich("\n".join(_lines(run)))


def _lines(run: ShardsSummary) -> list[str]:
    board = run.board
    count = board.alerts_in_files()
    held = "they go to" if count is None else f"{count:,} are in"
    restarts = board.restarts()
    return [
        *counts_lines(run.spec.flow, board.totals(), run.seconds),
        *(f"             {held} {where}" for where in board.alerts_to()[:1]),
        *(f"             and {where}" for where in board.alerts_to()[1:]),
        f"  shards     {len(board.states())}" + (f", restarted {restarts} times" if restarts else ""),
        f"  state      {run.state}",
    ]


def _as_json(run: ShardsSummary) -> dict[str, object]:
    board, totals, resumed_from = run.board, run.board.totals(), run.board.resumed_from()
    return {
        **counts_as_json(run.spec.flow, run.spec.fingerprint(), totals, run.seconds),
        "series": totals.series,
        "delivered": totals.delivered,
        "alerts_to": board.alerts_to(),
        "alerts_in_file": board.alerts_in_files(),
        "state": str(run.state),
        "resumed_from": None if resumed_from is None else resumed_from.isoformat(),
        "shards": len(board.states()),
        "restarts": board.restarts(),
    }
