"""A wall clock that is set back while a flow runs: the flow pauses and goes on, and no verdict changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bytewax.dataflow import Dataflow

from e2e.flow_file import Tree
from e2e.traffic import Traffic, spread
from e2e.verifier import assert_one_outcome_each, lines, places, toll
from fault_table import Figures
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.tally import Tally
from pynomaly.bootstrap import services_of
from pynomaly_connectors.memory import Broker
from pynomaly_flows import live
from pynomaly_flows.live import LiveOptions, run_live
from pynomaly_flows.partition import Surroundings
from pynomaly_flows.wall_clock import WallClock

_LOOKS = 15
_TRAFFIC = Traffic(20, 600, 1, spread(60, range(50, 600), 20))


class _JumpingClock:
    """A wall clock that is two hours back after some looks, and an hour ahead after some more."""

    def __init__(self) -> None:
        self.looks = 0
        self.told: list[float] = []
        self._clock = WallClock(self._wall_s, lambda: 0.0)

    def set_back_s(self) -> float:
        self.looks += 1
        back_s = self._clock.set_back_s()
        if back_s:
            self.told.append(back_s)
        return back_s

    def _wall_s(self) -> float:
        return 50_000.0 + (0.0 if self.looks < _LOOKS else -7_200.0 if self.looks < 2 * _LOOKS else 3_600.0)


def _flow(folder: Path) -> Tree:
    return {
        "flow": "jumping",
        "source": {"kind": "memory", "topic": "readings", "batch_records": 173},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": [{"detector": "ew_zscore", "calibration": {"warm_up": 40}}],
        "alert": {"levels": {"watch": 1.2, "warning": 3}, "bump": 1},
        "output": {
            "alerts": {"kind": "file", "path": str(folder / "alerts.jsonl")},
            "outcomes": {"kind": "file", "path": str(folder / "outcomes.jsonl")},
            "outcomes_of": "all",
        },
        "checkpoint": {"every": "50ms", "share": 1},
    }


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Take note of each start of Bytewax: nothing else shows that a flow has paused."""
    seen: list[object] = []
    run_main = live.run_main

    def counted(flow: Dataflow, **options: Any) -> None:
        seen.append(flow)
        run_main(flow, **options)

    monkeypatch.setattr(live, "run_main", counted)
    return seen


def test_a_wall_clock_that_is_set_back(
    memory_broker: Broker,
    starts: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[Figures], None],
) -> None:
    """Two hours back, then ahead: one pause, after which the files are those of a steady clock, byte for byte."""
    for record in _TRAFFIC.records():
        memory_broker.append("readings", record.value, record.key)
    clock = _JumpingClock()
    for run in ("steady", "jumping"):
        folder = tmp_path / run
        folder.mkdir()
        if run == "jumping":
            monkeypatch.setattr(live, "Surroundings", partial(Surroundings, clock=clock))
        services = services_of(FlowSpec.model_validate(_flow(folder)))
        before = len(starts)
        run_live(services, Tally(), LiveOptions(folder / "state", until_end=True))
        assert len(starts) - before == (2 if run == "jumping" else 1), "only the jump pauses the flow, once"
    assert clock.looks > 2 * _LOOKS
    assert clock.told == [7_200.0]
    outcomes = list(lines(tmp_path / "jumping" / "outcomes.jsonl"))
    assert_one_outcome_each(outcomes, {(0, offset) for offset in range(len(_TRAFFIC))})
    for file in ("outcomes.jsonl", "alerts.jsonl"):
        steady, jumping = ((tmp_path / run / file).read_bytes() for run in ("steady", "jumping"))
        assert jumping == steady, file
    assert len(steady.splitlines()) > 20
    cost = toll(places(outcomes), {(0, offset) for offset in range(len(_TRAFFIC))})
    tell(Figures(17, "wall clock -2 h, then +1 h", len(_TRAFFIC), cost.lost, cost.repeated, 2))
