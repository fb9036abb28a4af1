"""The kernel alone: records already in memory as columns, against River fed the same values record by record.

All series are resident and their records interleaved at random, as a stream shows them. Both sides take turns; figures
are CPU time of this process, medians of the rounds.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from numpy.typing import NDArray
from river.anomaly import GaussianScorer, HalfSpaceTrees
from row import Row

from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.detectors.half_space_trees import HALF_SPACE_TREES, HalfSpaceTreesOptions
from pynomaly.domain.kernel import render
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.infrastructure.kernels import KernelLibrary

SERIES = 10_000
BATCH = 10_000
RESIDENT_SERIES = 100_000
_SEED = 20_240_229
_RIVER = f"River {version('river')}"


@dataclass(frozen=True, slots=True)
class Records:
    """Records of several series in random order."""

    slot: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def draw(cls, series: int, records: int) -> Records:
        """Draw values uniformly from [0, 1], where half-space trees of River expect them."""
        random = np.random.default_rng(_SEED)
        return cls(random.integers(0, series, records), random.random((records, 1)))


def z_score_plan() -> ScoringPlan:
    """One exponentially weighted z-score with calibration and decision, all options at their defaults."""
    return ScoringPlan(("value",), (Part("z", NativeSource(EW_ZSCORE, EwZScoreOptions()), (0,)),))


def trees_plan() -> ScoringPlan:
    """Half-space trees of the size of River's, calibrated and judged."""
    options = HalfSpaceTreesOptions(trees=10, depth=8, window=250, scaling="none")
    return ScoringPlan(("value",), (Part("trees", NativeSource(HALF_SPACE_TREES, options), (0,)),))


class Native:
    """Our kernel on given records, batch by batch."""

    def __init__(self, plan: ScoringPlan, series: int) -> None:
        self._scoring = Scoring(plan, KernelLibrary.default().fused(render(plan)))
        self._series = series

    @property
    def bytes_per_series(self) -> int:
        """Size of one series' state [bytes]."""
        return self._scoring.bytes_per_series

    def feed(self, records: Records) -> None:
        """Judge and learn records."""
        nothing, none = np.zeros(BATCH, np.uint8), np.empty((BATCH, 0))
        times = np.zeros(BATCH, np.int64)
        for first in range(0, len(records.slot), BATCH):
            slot = records.slot[first : first + BATCH]
            n = len(slot)
            values = records.values[first : first + BATCH]
            self._scoring.process(slot, nothing[:n], times[:n], values, none[:n], self._series)


def feed_gaussian(scorers: list[GaussianScorer], records: Records) -> None:
    """Score and learn records with one Gaussian scorer a series."""
    for slot, value in zip(records.slot.tolist(), records.values[:, 0].tolist(), strict=True):
        scorer = scorers[slot]
        scorer.score_one(None, value)
        scorer.learn_one(None, value)


def feed_trees(forests: list[HalfSpaceTrees], records: Records) -> None:
    """Score and learn records with one forest a series."""
    for slot, value in zip(records.slot.tolist(), records.values[:, 0].tolist(), strict=True):
        forest, features = forests[slot], {"value": value}
        forest.score_one(features)
        forest.learn_one(features)


def z_score_row(rounds: int) -> Row:
    """Compare the z-score with River's Gaussian scorer at 10,000 series."""
    native = Native(z_score_plan(), SERIES)
    scorers = [GaussianScorer() for _ in range(SERIES)]
    warm_up = Records.draw(SERIES, 250 * SERIES)  # every series past all warm-ups
    native.feed(warm_up)
    feed_gaussian(scorers, warm_up)
    ours, peer = _alternate(
        rounds,
        lambda: _us_per_record(native.feed, Records.draw(SERIES, 1_000_000)),
        lambda: _us_per_record(lambda records: feed_gaussian(scorers, records), Records.draw(SERIES, 200_000)),
    )
    return _against("EW z-score, 10,000 series [us CPU/record]", ours, peer, f"{_RIVER} GaussianScorer", 3.0)


def trees_rows(rounds: int, peer_bytes: int) -> list[Row]:
    """Compare half-space trees at as many series as River holds in a given memory, and ours at 10,000."""
    forests = _forests(peer_bytes)
    few, many = Native(trees_plan(), len(forests)), Native(trees_plan(), SERIES)
    few.feed(Records.draw(len(forests), 600 * len(forests)))
    many.feed(Records.draw(SERIES, 600 * SERIES))
    feed_trees(forests, Records.draw(len(forests), 50_000))
    ours, peer = _alternate(
        rounds,
        lambda: _us_per_record(few.feed, Records.draw(len(forests), 500_000)),
        lambda: _us_per_record(lambda records: feed_trees(forests, records), Records.draw(len(forests), 20_000)),
    )
    at_all = [_us_per_record(many.feed, Records.draw(SERIES, 500_000)) for _ in range(rounds)]
    against = f"{_RIVER} HalfSpaceTrees"
    held = f"{len(forests):,} series"
    same = f"half-space trees, {held} [us CPU/record]"
    all_ = f"half-space trees, 10,000 series [us CPU/record] (peer: {held})"
    return [_against(same, ours, peer, against, 30.0), _against(all_, at_all, peer, against, 30.0)]


def memory_rows() -> list[Row]:
    """Weigh the state of a series: as declared, and as the process grows at 100,000 series."""
    declared = Native(z_score_plan(), 1).bytes_per_series
    measured = _resident_bytes_per_series()
    return [
        Row("EW z-score state, declared [bytes/series]", declared, declared, 1536, at_most=True),
        Row("EW z-score state, resident at 100,000 series [bytes/series]", measured, measured, 1536, at_most=True),
    ]


def measure_resident() -> float:
    """Return by how many bytes a series this process grows while series arrive, batch by batch."""
    plan = z_score_plan()
    scoring = Scoring(plan, KernelLibrary.default().fused(render(plan)))
    columns = np.zeros(BATCH, np.uint8), np.zeros(BATCH, np.int64), np.full((BATCH, 1), 0.5), np.empty((BATCH, 0))
    scoring.process(np.zeros(BATCH, np.int64), *columns, 1)
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    for first in range(0, RESIDENT_SERIES, BATCH):
        scoring.process(np.arange(first, first + BATCH), *columns, first + BATCH)
    gc.collect()
    return (process.memory_info().rss - before) / RESIDENT_SERIES


def _resident_bytes_per_series() -> float:
    """Measure in a process of its own, which nothing else has grown."""
    code = "from kernels import measure_resident; print(measure_resident())"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
    return float(output)


def _forests(limit_bytes: int) -> list[HalfSpaceTrees]:
    """Make River's forests until they fill the memory or there is one for each series."""
    process, forests = psutil.Process(), list[HalfSpaceTrees]()
    before = process.memory_info().rss
    first = {"value": 0.5}
    while len(forests) < SERIES and process.memory_info().rss - before < limit_bytes:
        forest = HalfSpaceTrees(n_trees=10, height=8, window_size=250, seed=_SEED)
        forest.learn_one(first)  # builds the trees
        forests.append(forest)
    return forests


def _us_per_record(feed: Callable[[Records], None], records: Records) -> float:
    since = time.process_time()
    feed(records)
    return (time.process_time() - since) / len(records.slot) * 1e6


def _alternate(rounds: int, ours: Callable[[], float], peer: Callable[[], float]) -> tuple[list[float], list[float]]:
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _against(name: str, ours: list[float], peer: list[float], against: str, target: float) -> Row:
    return Row(
        name,
        median(ours),
        median(peer) / median(ours),
        target,
        peer=median(peer),
        against=against,
        raw={"ours": ours, "peer": peer},
    )
