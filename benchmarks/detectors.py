"""Every native detector and the default one by itself: CPU time of a record with many series resident, and peers.

A record goes through the fused kernel, calibration, decision and learning included, with its series drawn at random
from all that are resident; each has learned the same 4,500 records before. Peers are interpreted programs of the same
algorithm and size with one series only, which favours them. Those that are not installed are left out: `pip install
stumpy pysad` has them (pysad without its own dependencies).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from row import Row

from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.bootstrap import plan_of
from pynomaly.domain.detectors import NATIVE_DETECTORS
from pynomaly.domain.kernel import render
from pynomaly.domain.plan import ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.infrastructure.kernels import KernelLibrary

_SERIES = 10_000
_BATCH = 10_000
_FIELDS = ("a", "b", "c")
_HOUR_NS = 3_600_000_000_000
_MOST_STATE = 4_000_000_000  # bytes; fewer series are resident where theirs is larger
_SEED = 20_240_229
_LEARNED = 4_500  # records of each series before the first measurement: past every warm-up and horizon

Feed = Callable[[NDArray[np.float64]], None]


@dataclass(frozen=True, slots=True)
class _Peer:
    """A program of the same algorithm.

    Parameters
    ----------
    entry
        Ours at the peer's size, as `pynomaly detect` reads it.
    package
        Where it comes from.
    make
        Returns what scores and learns ``(n, d)`` records of one series.
    records
        How many are measured.
    target
        How many times as long it has to take.
    """

    name: str
    entry: str
    package: str
    make: Callable[[], Feed]
    records: int = 2_000
    target: float | None = 30.0


def detector_rows(rounds: int) -> list[Row]:
    """Measure the default detector in all tiers, every native one, and those that have a peer beside it."""
    return [*_tier_rows(rounds), *_native_rows(rounds), *_peer_rows(rounds)]


#: What `auto` has to reach: records a CPU second, and bytes a series.
_TIERS = (
    ("auto:tier=light", 700_000, 6_000),
    ("auto", 300_000, 35_000),
    ("auto:horizon=2000", 150_000, None),
    ("auto:tier=deep", 40_000, 100_000),
)


def _tier_rows(rounds: int) -> Iterator[Row]:
    for entry, least, most in _TIERS:
        resident = _Resident(_plan(entry, 1))
        rates = [1e6 / us for us in resident.measure(rounds)]
        rate = median(rates)
        yield Row(f"{entry}, {resident.series:,} series [records/CPU s]", rate, rate, least, raw={"ours": rates})
        size = resident.bytes_per_series
        yield Row(f"{entry} [bytes/series]", size, size, most, at_most=True)


def _native_rows(rounds: int) -> Iterator[Row]:
    for name, detector in NATIVE_DETECTORS.items():
        fields = len(_FIELDS) if detector.takes_vector else 1
        resident = _Resident(_plan(name, fields))
        cost = resident.measure(rounds)
        what = f"{name}, {resident.series:,} series, {resident.bytes_per_series:,} bytes each [us CPU/record]"
        yield Row(what, median(cost), None, None, raw={"ours": cost})


def _peer_rows(rounds: int) -> Iterator[Row]:
    for peer in _PEERS:
        try:
            against = f"{peer.package} {version(peer.package)} {peer.name}"
            fields = len(_FIELDS) if peer.entry.partition(":")[0] in _SEVERAL else 1
            feed = peer.make()
        except (PackageNotFoundError, ImportError):
            missing = f"{peer.package}: not installed"
            yield Row(f"{peer.entry} [us CPU/record]", float("nan"), None, None, against=missing)
            continue
        resident = _Resident(_plan(peer.entry, fields))
        feed(_values(peer.records, fields, seed=1))
        work = partial(feed, _values(peer.records, fields, seed=2))
        pairs = [(*resident.measure(1), _us(work, peer.records)) for _ in range(rounds)]
        ours, theirs = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        raw: dict[str, object] = {"pairs": pairs}
        what = f"{peer.entry}, {resident.series:,} series [us CPU/record]"
        yield Row(what, ours, theirs / ours, peer.target, peer=theirs, against=against, raw=raw)


class _Resident:
    """A plan with as many series as fit, past all warm-ups and horizons."""

    def __init__(self, plan: ScoringPlan) -> None:
        self._scoring = Scoring(plan, KernelLibrary.default().fused(render(plan)))
        self._fields = len(plan.fields)
        self._random = np.random.default_rng(_SEED)
        self._hour = 0
        self.series = 1
        for _ in range(_LEARNED):
            self._feed(1)
        self.series = min(_SERIES, _MOST_STATE // self.bytes_per_series)
        self._scoring.restore(self._scoring.snapshot(np.zeros(self.series, np.int64)))
        self._feed(_BATCH)

    @property
    def bytes_per_series(self) -> int:
        """Size of one series' state [bytes]."""
        return self._scoring.bytes_per_series

    def measure(self, rounds: int) -> list[float]:
        """Return the CPU time of a record [us], round by round."""
        records = 200_000
        return [_us(lambda: self._feed(records), records) for _ in range(rounds)]

    def _feed(self, records: int) -> None:
        for _ in range(0, records, _BATCH):
            self._hour += 1
            count = min(records, _BATCH)
            slot = self._random.integers(0, self.series, count)
            times = np.full(count, self._hour * _HOUR_NS)
            values = self._random.normal(size=(count, self._fields))
            nothing, none = np.zeros(count, np.uint8), np.empty((count, 0))
            self._scoring.process(slot, nothing, times, values, none, self.series)


def _us(work: Callable[[], None], records: int) -> float:
    since = time.process_time()
    work()
    return (time.process_time() - since) / records * 1e6


def _plan(entry: str, fields: int) -> ScoringPlan:
    columns = Columns(_FIELDS[:fields], "time")
    return plan_of(adhoc_flow({"kind": "memory", "topic": "x"}, columns, [entry])).scoring


def _values(records: int, fields: int, *, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(records, fields))


def _pysad(name: str, **options: Any) -> Callable[[], Feed]:
    def make() -> Feed:
        model = getattr(importlib.import_module("pysad.models"), name)(**options)

        def feed(values: NDArray[np.float64]) -> None:
            for row in values:
                model.fit_score_partial(row)

        return feed

    return make


def _river_drift(name: str) -> Callable[[], Feed]:
    def make() -> Feed:
        detector = getattr(importlib.import_module("river.drift"), name)()

        def feed(values: NDArray[np.float64]) -> None:
            for value in values[:, 0].tolist():
                detector.update(value)

        return feed

    return make


def _river_gaussian() -> Feed:
    scorer = importlib.import_module("river.anomaly").GaussianScorer()

    def feed(values: NDArray[np.float64]) -> None:
        for value in values[:, 0].tolist():
            scorer.score_one(None, value)
            scorer.learn_one(None, value)

    return feed


def _river_holt_winters() -> Feed:
    model = importlib.import_module("river.time_series").HoltWinters(0.1, 0.05, 0.1, seasonality=24)
    known = [0]

    def feed(values: NDArray[np.float64]) -> None:
        for value in values[:, 0].tolist():
            if known[0] > 2 * 24:
                model.forecast(1)
            model.learn_one(value)
            known[0] += 1

    return feed


def _stumpi() -> Feed:
    stumpy = importlib.import_module("stumpy")
    stream = stumpy.aampi(_values(2_048, 1, seed=0)[:, 0], 48, egress=True)

    def feed(values: NDArray[np.float64]) -> None:
        for value in values[:, 0].tolist():
            stream.update(value)

    return feed


_SEVERAL = {name for name, detector in NATIVE_DETECTORS.items() if detector.takes_vector}
_LIMITS = {"feature_mins": np.full(3, -4.0), "feature_maxes": np.full(3, 4.0)}
_PEERS = (
    _Peer("GaussianScorer", "ew_zscore", "river", _river_gaussian, 20_000, target=None),
    _Peer("PageHinkley", "page_hinkley", "river", _river_drift("PageHinkley"), 20_000, target=None),
    _Peer("KSWIN", "kolmogorov_smirnov", "river", _river_drift("KSWIN")),
    _Peer("HoltWinters", "holt_winters", "river", _river_holt_winters, 20_000),
    _Peer("MedianAbsoluteDeviation", "robust_zscore", "pysad", _pysad("MedianAbsoluteDeviation")),
    _Peer("RelativeEntropy", "relative_entropy", "pysad", _pysad("RelativeEntropy", min_val=-4.0, max_val=4.0)),
    _Peer("LODA", "loda:lines=100,bins=10", "pysad", _pysad("LODA")),
    _Peer("RSHash", "rs_hash:grids=100", "pysad", _pysad("RSHash", **_LIMITS)),
    _Peer("ExactStorm", "window_knn", "pysad", _pysad("ExactStorm", window_size=500, max_radius=0.5), 500),
    _Peer("IForestASD", "isolation_forest", "pysad", _pysad("IForestASD", window_size=512), 1_024),
    _Peer("aampi", "left_matrix_profile:horizon=2000", "stumpy", _stumpi, 1_000, target=20.0),
)
