"""What every native detector promises, generated over every documented option at its low, default and high end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from math import floor
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.detectors import NATIVE_DETECTORS, describe
from pynomaly.domain.detectors.seam import Layout
from pynomaly.domain.option import Options
from pynomaly.domain.state import StateImage, pack, unpack

_Floats = NDArray[np.float64]

#: A low and a high value of every option; kept where 1,000 records tell the difference and memory stays small.
#: A detector is compiled anew for every shape of its state: where the default is large already, it is the high end.
_ENDS: dict[str, dict[str, tuple[Any, Any]]] = {
    "ew_zscore": {"half_life": (1.0, 1e9), "warm_up": (2, 300)},
    "running_range": {
        "base": (0.0, 100.0),
        "slope": (0.0, 100.0),
        "tolerance": (0.0, 5.0),
        "warm_up": (2, 300),
        "half_life": (1.0, 1e9),
    },
    "seasonal_slot": {
        "slots": (1, 96),
        "period_s": (7_200.0, 604_800.0),
        "half_life": (1.0, 1e9),
        "floor": (0.0, 1.0),
        "residual_half_life": (1.0, 1e9),
        "warm_up": (2, 10),
        "utc_offset_s": (-43_200.0, 50_400.0),
    },
    "jump": {"window": (1, 31), "half_life": (1.0, 1e9), "clip": (1.0, 100.0), "warm_up": (2, 300)},
    "adaptive_jump": {
        "window": (1, 31),
        "half_life": (1.0, 1e9),
        "clip": (1.0, 100.0),
        "warm_up": (2, 300),
        "bar": (1.0, 1e6),
        "gate": (False, True),
        "gate_records": (50, 400),
    },
    "relative_entropy": {
        "short_half_life": (1.0, 1e6),
        "long_half_life": (1.0, 1e9),
        "bins": (2, 64),
        "warm_up": (2, 300),
    },
    "exceedance_rate": {
        "sds": (0.1, 2.5),
        "short_half_life": (1.0, 1e6),
        "long_half_life": (1.0, 1e9),
        "warm_up": (2, 300),
    },
    "left_matrix_profile": {"window": (2, 100), "horizon": (200, 3_000), "scale_records": (2, 300)},
    "half_space_trees": {
        "trees": (1, 25),
        "depth": (1, 10),
        "window": (2, 400),
        "size_limit_ratio": (0.0, 1.0),
        "scaling": ("squash", "none"),
        "half_life": (1.0, 1e9),
        "seed": (1, 1_000_000_000),
    },
    "loda": {
        "lines": (1, 100),
        "bins": (2, 16),
        "half_life": (1.0, 1e6),
        "warm_up": (2, 300),
        "seed": (1, 1_000_000_000),
    },
    "mahalanobis": {"half_life": (1.0, 1e9), "ridge": (1e-9, 1.0), "warm_up": (2, 300)},
    "pca_residual": {"rank": (1, 100), "half_life": (1.0, 1e9), "warm_up": (2, 300)},
    "isolation_forest": {
        "trees": (1, 32),
        "depth": (1, 5),
        "leaf_records": (1, 200),
        "half_life": (1.0, 1e6),
        "warm_up": (2, 300),
        "seed": (1, 1_000_000_000),
    },
    "window_knn": {"neighbours": (1, 100), "window": (100, 500), "half_life": (1.0, 1e9), "warm_up": (2, 300)},
    "sdo_stream": {
        "observers": (30, 100),
        "neighbours": (1, 12),
        "idle_ratio": (0.0, 0.6),
        "half_life": (1.0, 1e6),
        "warm_up": (2, 300),
        "seed": (1, 1_000_000_000),
    },
    "rs_hash": {
        "grids": (1, 50),
        "cells": (2, 128),
        "half_life": (1.0, 1e6),
        "warm_up": (2, 300),
        "seed": (1, 1_000_000_000),
    },
    "ar_residual": {
        "order": (1, 16),
        "half_life": (100.0, 1e9),
        "error_half_life": (10.0, 1e9),
        "clip": (1.0, 100.0),
        "warm_up": (2, 300),
    },
    "robust_zscore": {
        "shortest_half_life": (5.0, 1e9),
        "longest_half_life": (5.0, 1e9),
        "scales": (1, 3),
        "of": ("differences", "values"),
        "clip": (1.0, 100.0),
        "warm_up": (3, 300),
    },
    "cusum": {
        "drift": (0.1, 2.0),
        "limit": (5.0, 1e6),
        "half_life": (10.0, 1e9),
        "clip": (1.0, 100.0),
        "warm_up": (2, 300),
    },
    "page_hinkley": {"drift": (0.1, 2.0), "limit": (5.0, 1e6), "clip": (1.0, 100.0), "warm_up": (2, 300)},
    "holt_winters": {
        "level_half_life": (1.0, 1e9),
        "trend_half_life": (1.0, 1e9),
        "damping": (0.0, 1.0),
        "slots": (1, 24),
        "period_s": (7_200.0, 604_800.0),
        "season_half_life": (1.0, 1e9),
        "error_half_life": (10.0, 1e9),
        "clip": (1.0, 100.0),
        "warm_up": (2, 300),
    },
    "oneshot_stl": {
        "smoothness": (0.1, 1e6),
        "iterations": (1, 5),
        "slots": (1, 24),
        "period_s": (7_200.0, 604_800.0),
        "season_half_life": (1.0, 1e9),
        "error_half_life": (10.0, 1e9),
        "clip": (1.0, 100.0),
        "warm_up": (2, 300),
    },
    "bayesian_changepoint": {
        "expected_run": (2.0, 1e9),
        "recent": (1, 100),
        "runs": (2, 16),
        "memory": (10.0, 1e9),
        "half_life": (10.0, 1e9),
        "warm_up": (10, 300),
    },
    "kolmogorov_smirnov": {
        "short_half_life": (1.0, 1e6),
        "long_half_life": (1.0, 1e9),
        "bins": (2, 32),
        "warm_up": (2, 300),
    },
    "cadence": {
        "half_life": (1.0, 1e9),
        "tolerance": (1e-3, 10.0),
        "resolution_s": (1e-9, 7_200.0),
        "warm_up": (2, 300),
    },
}
_CLOCKED = {"seasonal_slot", "cadence"}
_CLOCKED_IN_PART = {"holt_winters", "oneshot_stl", "adaptive_jump"}
#: Detectors that forecast, and thus expect what they may never have seen.
_EXTRAPOLATING = {"ar_residual", "robust_zscore", "holt_winters", "oneshot_stl"}
_RECORDS = 1_000
_STEP_NS = 3_600_000_000_000
_START_NS = 1_700_000_000_000_000_000
_ORDINARY, _NOISE = 0.5, 0.05
_EXTREMES = (1e300, -1e300, 1e-300, 0.0, -1.7e308, 1.7e308, 5e-324)


@dataclass(frozen=True)
class _Case:
    """One detector under one set of options, on two value fields where it takes a vector."""

    detector: str
    options: Options

    def __str__(self) -> str:
        changed = [
            f"{item.name}={getattr(self.options, item.name)}"
            for item in fields(self.options)
            if getattr(self.options, item.name) != item.default
        ]
        return f"{self.detector}({', '.join(changed)})"

    def layout(self) -> Layout:
        return NATIVE_DETECTORS[self.detector].layout(self.options, 2)


def _cases() -> Iterator[_Case]:
    for name, ends in _ENDS.items():
        kind = NATIVE_DETECTORS[name].options
        yield _Case(name, kind())
        for option, (low, high) in ends.items():
            yield from (_Case(name, kind(**{option: end})) for end in (low, high) if end != getattr(kind(), option))
        yield _Case(name, kind(**{option: low for option, (low, _) in ends.items()}))
        yield _Case(name, kind(**{option: high for option, (_, high) in ends.items()}))
        yield _Case(name, kind(**{option: pair[place % 2] for place, (option, pair) in enumerate(ends.items())}))


_CASES = list(_cases())
every_case = pytest.mark.parametrize("case", _CASES, ids=str)
every_expecting_case = pytest.mark.parametrize(
    "case", [case for case in _CASES if NATIVE_DETECTORS[case.detector].expect is not None], ids=str
)
every_scaling_case = pytest.mark.parametrize(
    "case", [case for case in _CASES if getattr(case.options, "scaling", None) != "none"], ids=str
)


@cache
def _loop(name: str) -> Callable[..., None]:
    """Compile what the engine does: score each record, ask what was expected, then learn it."""
    detector = NATIVE_DETECTORS[name]
    score, learn, takes_vector = detector.score, detector.learn, detector.takes_vector
    expect = score if detector.expect is None else detector.expect

    @numba.njit(error_model="numpy")
    def loop(
        rows: Any, params: Any, slot: Any, values: Any, time_ns: Any, scores: Any, expected: Any, *, learns: bool
    ) -> None:
        for i in range(len(slot)):
            state, t = rows[slot[i]], time_ns[i]
            x = values[i] if takes_vector else values[i, 0]
            scores[i] = score(state, params[0], x, t)
            expected[i] = expect(state, params[0], x, t)
            if learns:
                learn(state, params[0], x, t)

    return loop


class _Detector:
    """The state of a few series under one case, and the clock of their records."""

    def __init__(self, case: _Case, series: int = 1) -> None:
        layout = case.layout()
        self.case, self.params = case, layout.params
        self.rows = np.repeat(layout.initial, series)
        self.expected: _Floats = np.empty(0)

    def feed(self, values: _Floats, slot: NDArray[np.int64] | None = None, *, at: int = 0) -> _Floats:
        """Score and learn hourly records, the first of them ``at`` hours after the start."""
        return self._run(values, _hours(len(values), at), slot, learns=True)

    def score(self, values: _Floats, *, at: int = 0) -> _Floats:
        """Score records without learning them."""
        return self._run(values, _hours(len(values), at), None, learns=False)

    def feed_without_clock(self, values: _Floats) -> _Floats:
        """Score and learn records whose event time is 0."""
        return self._run(values, np.zeros(len(values), np.int64), None, learns=True)

    def _run(self, values: _Floats, time_ns: NDArray[np.int64], slot: NDArray[np.int64] | None, *, learns: bool) -> Any:
        scores, self.expected = np.empty(len(values)), np.empty(len(values))
        series = np.zeros(len(values), np.int64) if slot is None else slot
        loop = _loop(self.case.detector)
        loop(self.rows, self.params, series, values, time_ns, scores, self.expected, learns=learns)
        return scores


def _hours(count: int, first: int = 0) -> NDArray[np.int64]:
    return _START_NS + (first + np.arange(count, dtype=np.int64)) * _STEP_NS


def _noise(count: int = _RECORDS, seed: int = 0) -> _Floats:
    return np.random.default_rng(seed).normal(_ORDINARY, _NOISE, (count, 2))


def _is_warm(case: _Case, count: int) -> NDArray[np.bool_]:
    """Tell for each hourly record whether the documentation promises a score."""
    options: Any = case.options
    if case.detector == "seasonal_slot":
        return _visits_before(case, count) >= options.warm_up
    return np.arange(count) >= _WARM_UPS.get(case.detector, _stated_warm_up)(options)


def _stated_warm_up(options: Any) -> int:
    return int(options.warm_up)


#: Records before the first score, of detectors that do not state them as an option of their own.
_WARM_UPS: dict[str, Callable[[Any], int]] = {
    "half_space_trees": lambda options: options.window,
    "jump": lambda options: options.window + options.warm_up,
    "adaptive_jump": lambda options: options.window + options.warm_up,
    "left_matrix_profile": lambda options: options.scale_records + 3 * options.window,
    "sdo_stream": lambda options: max(options.warm_up, options.neighbours),
    "window_knn": lambda options: max(options.warm_up, options.neighbours),
}


def _visits_before(case: _Case, count: int) -> NDArray[np.int64]:
    """Count for each hourly record the earlier ones in the same slot of the season."""
    options: Any = case.options
    visits: dict[int, int] = {}
    before = np.zeros(count, np.int64)
    for i, time_ns in enumerate(_hours(count).tolist()):
        phase = (time_ns / 1e9 + options.utc_offset_s) % options.period_s / options.period_s
        slot = floor(phase * options.slots + 1e-9)
        before[i] = visits.get(slot, 0)
        visits[slot] = before[i] + 1
    return before


def _floats_of(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    names = rows.dtype.names
    if names is None:
        yield rows
        return
    for name in names:
        yield from _floats_of(rows[name])


def test_every_option_has_ends() -> None:
    """No detector and no option escapes the contract."""
    documented = {name: {item.name for item in fields(kind.options)} for name, kind in NATIVE_DETECTORS.items()}
    assert {name: set(ends) for name, ends in _ENDS.items()} == documented


@every_case
def test_score_does_not_write(case: _Case) -> None:
    """Scoring, however strange the record, leaves state and parameters byte for byte as they were."""
    detector = _Detector(case)
    for at in (0, 450):
        detector.feed(_noise(450), at=at)
        before, params = detector.rows.tobytes(), detector.params.tobytes()
        detector.score(np.vstack([_noise(50, seed=1), np.full((1, 2), 1e300)]), at=at)
        assert detector.rows.tobytes() == before
        assert detector.params.tobytes() == params


@every_case
def test_scores_ignore_the_future(case: _Case) -> None:
    """Cutting the future off, or replacing it, changes no earlier score."""
    past, future = _noise(600), _noise(400, seed=1)
    whole = _Detector(case).feed(np.vstack([past, future]))
    cut = _Detector(case).feed(past)
    other = _Detector(case).feed(np.vstack([past, future * 1e6 - 3.0]))
    assert whole[:600].tobytes() == cut.tobytes() == other[:600].tobytes()


@every_case
def test_scores_are_known_exactly_when_warm(case: _Case) -> None:
    """A score is NaN while the detector warms up and never later; a known one is finite and not negative."""
    scores = _Detector(case).feed(_noise())
    warm = _is_warm(case, _RECORDS)
    assert warm.any()
    assert (np.isnan(scores) == ~warm).all()
    assert (np.isfinite(scores[warm]) & (scores[warm] >= 0.0)).all()


@every_expecting_case
def test_expectation_is_known_exactly_when_warm(case: _Case) -> None:
    """A detector that expects values says so from the same record on, within what it has seen or near it."""
    values = _noise()
    detector = _Detector(case)
    detector.feed(values)
    warm = _is_warm(case, _RECORDS)
    beyond = values[:, 0].max() - values[:, 0].min() if case.detector in _EXTRAPOLATING else 0.0
    assert (np.isnan(detector.expected) == ~warm).all()
    assert (detector.expected[warm] >= values[:, 0].min() - beyond).all()
    assert (detector.expected[warm] <= values[:, 0].max() + beyond).all()


@every_case
def test_same_input_gives_same_bytes(case: _Case) -> None:
    """Two runs from scratch agree in every score and every byte of state."""
    one, two = _Detector(case), _Detector(case)
    assert one.feed(_noise()).tobytes() == two.feed(_noise()).tobytes()
    assert one.rows.tobytes() == two.rows.tobytes()


@every_case
def test_snapshot_goes_on_where_it_stopped(case: _Case) -> None:
    """A state that went through bytes gives the scores and the state of an uninterrupted run."""
    values = _noise()
    uninterrupted, stopped, resumed = _Detector(case), _Detector(case), _Detector(case)
    expected = uninterrupted.feed(values)[537:]
    stopped.feed(values[:537])
    resumed.rows = unpack(pack(StateImage({}, {"rows": stopped.rows}))).sections["rows"].copy()
    assert resumed.rows.dtype == stopped.rows.dtype
    assert resumed.feed(values[537:], at=537).tobytes() == expected.tobytes()
    assert resumed.rows.tobytes() == uninterrupted.rows.tobytes()


@every_case
def test_series_are_independent(case: _Case) -> None:
    """Records of other series in between, whatever they hold, change nothing."""
    rng = np.random.default_rng(3)
    slot = rng.integers(0, 3, 3 * _RECORDS)
    values = rng.normal(_ORDINARY, _NOISE, (3 * _RECORDS, 2))
    values[slot == 2] *= 1e9
    together = _Detector(case, series=3)
    loop, scores, hours = _loop(case.detector), np.empty(len(slot)), _hours(len(slot))
    loop(together.rows, together.params, slot, values, hours, scores, np.empty(len(slot)), learns=True)
    alone, mine = _Detector(case), slot == 1
    expected = np.empty(int(mine.sum()))
    nothing = np.zeros(len(expected), np.int64)
    loop(alone.rows, alone.params, nothing, values[mine], hours[mine], expected, np.empty(len(expected)), learns=True)
    assert scores[mine].tobytes() == expected.tobytes()
    assert together.rows[1].tobytes() == alone.rows[0].tobytes()


@every_case
def test_state_is_bounded(case: _Case) -> None:
    """A series takes the bytes that the description says, before its first record and after a thousand."""
    detector = _Detector(case)
    stated = describe(NATIVE_DETECTORS[case.detector], case.options, field_count=2).bytes_per_series
    assert detector.rows.nbytes == stated
    detector.feed(_noise())
    assert detector.rows.nbytes == stated
    assert not detector.rows.dtype.hasobject


@every_case
@pytest.mark.parametrize("level", [0.0, 0.1, -1e9, 1e-300, 1e300])
def test_constant_input_does_not_alarm(case: _Case, level: float) -> None:
    """A series that never moves keeps one low score: nothing for a calibrator to find rare."""
    scores = _Detector(case).feed(np.full((_RECORDS, 2), level))
    known = scores[_is_warm(case, _RECORDS)]
    assert (known == known[0]).all()
    assert known[0] <= 1.0


@every_case
def test_extreme_values_leave_the_state_finite(case: _Case) -> None:
    """The largest and smallest doubles, in the warm-up and after it, put no NaN and no infinity anywhere."""
    extremes = np.repeat(np.array(_EXTREMES)[:, np.newaxis], 2, axis=1)
    values = np.vstack([extremes, _noise(500), extremes, extremes[::-1], _noise(500, seed=1)])
    detector = _Detector(case)
    scores = detector.feed(values)
    warm = _is_warm(case, len(values))
    assert np.isfinite(scores[warm]).all()
    assert all(np.isfinite(column).all() for column in _floats_of(detector.rows))


@every_case
@pytest.mark.parametrize("spike", [1e6, -1e300])
def test_one_corrupt_value_does_not_blind(case: _Case, spike: float) -> None:
    """Some time after a single absurd value, ordinary records score much as they would have without it."""
    values = _noise(4_000)
    spiked = values.copy()
    spiked[1_500] = spike
    clean, hurt = _Detector(case).feed(values)[-1_000:], _Detector(case).feed(spiked)[-1_000:]
    assert np.median(hurt) <= 5.0 * np.median(clean)
    assert np.median(hurt) >= 0.2 * np.median(clean)


@every_scaling_case
def test_unit_of_the_values_does_not_matter(case: _Case) -> None:
    """Values in other units get the very same scores, unless the detector wants them in [0, 1]."""
    scores = _Detector(case).feed(_noise())
    for unit in (2.0**20, 2.0**-40):
        assert _Detector(case).feed(_noise() * unit).tobytes() == scores.tobytes()


@every_case
def test_without_a_clock(case: _Case) -> None:
    """Event times of 0 silence the detectors that need a clock and make no difference to those that have none."""
    detector = _Detector(case)
    scores = detector.feed_without_clock(_noise())
    if case.detector in _CLOCKED:
        assert np.isnan(scores).all()
        assert detector.rows.tobytes() == case.layout().initial.tobytes()
    elif case.detector in _CLOCKED_IN_PART:
        assert np.isfinite(scores[_is_warm(case, _RECORDS)]).all()
    else:
        assert scores.tobytes() == _Detector(case).feed(_noise()).tobytes()
