"""The default detector on the Numenta Anomaly Benchmark: one configuration, one built-in threshold, causal."""

from __future__ import annotations

import numpy as np
import pytest

from oracles.nab import NAB, Labelled, corpus
from pynomaly.application.quality.nab import PROFILES, tally, total
from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.bootstrap import plan_of
from pynomaly.domain.kernel import render
from pynomaly.domain.scoring import Scoring
from pynomaly.infrastructure.kernels import KernelLibrary


@pytest.mark.skipif(not NAB.exists(), reason="needs the Numenta Anomaly Benchmark in ../shared/data/nab")
@pytest.mark.parametrize(
    ("detector", "time", "least"),
    [
        ("auto", "t", (76.5, 69.0, 80.5)),
        ("auto:horizon=2000", "t", (76.9, 69.3, 81.4)),
        ("auto:tier=light", "t", (76.0, 69.0, 80.0)),
        ("auto", None, (73.0, 66.0, 77.5)),
    ],
)
def test_score(detector: str, time: str | None, least: tuple[float, ...]) -> None:
    """At its lowest level it beats every published score (74.9, 67.0, 80.4), with a clock."""
    columns = Columns(("v",), time)
    levels = {"watch": adhoc_flow({"kind": "files", "path": "x"}, columns, [detector]).policy.watch or 0.0}
    plan = plan_of(adhoc_flow({"kind": "files", "path": "x"}, columns, [detector], levels)).scoring
    process = KernelLibrary.default().fused(render(plan))
    scorings = ((file, Scoring(plan, process)) for file in corpus().values())
    found = total(tally(_alerted(scoring, file, clock=time is not None), file.windows) for file, scoring in scorings)
    for profile, bound in zip(PROFILES.values(), least, strict=True):
        assert found.score(profile) >= bound


def _alerted(scoring: Scoring, file: Labelled, *, clock: bool) -> np.ndarray:
    rows = len(file.values)
    times = file.time_ns if clock else np.zeros(rows, np.int64)
    slots, refusals = np.zeros(rows, np.int64), np.zeros(rows, np.uint8)
    outcomes = scoring.process(slots, refusals, times, file.values[:, np.newaxis], np.empty((rows, 0)), 1)
    return outcomes.level > 0
