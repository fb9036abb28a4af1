"""Native detectors on numbers that can be checked by hand."""

from __future__ import annotations

from math import isnan, log10

import numpy as np
import pytest

from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.detectors.half_space_trees import HALF_SPACE_TREES, HalfSpaceTreesOptions
from pynomaly.domain.detectors.magnitude import bounded, deviations, learnable
from pynomaly.domain.detectors.running_range import RUNNING_RANGE, RunningRangeOptions
from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.detectors.seasonal_slot import SEASONAL_SLOT, SeasonalSlotOptions
from pynomaly.domain.error import ConfigError
from pynomaly.domain.option import Options

_HOUR_NS = 3_600_000_000_000


class _Series:
    """One series of a detector."""

    def __init__(self, detector: Detector, options: Options, field_count: int = 1) -> None:
        layout = detector.layout(options, field_count)
        self.detector, self.state, self.params = detector, layout.initial[0], layout.params[0]

    def learn(self, *values: float, at_hour: int = 0) -> None:
        for x in values:
            self.detector.learn(self.state, self.params, x, at_hour * _HOUR_NS)

    def learn_row(self, *row: float) -> None:
        self.detector.learn(self.state, self.params, np.array(row), 0)

    def score(self, x: float, *, at_hour: int = 0) -> float:
        return self.detector.score(self.state, self.params, x, at_hour * _HOUR_NS)

    def score_row(self, *row: float) -> float:
        return self.detector.score(self.state, self.params, np.array(row), 0)

    def expect(self, x: float, *, at_hour: int = 0) -> float:
        assert self.detector.expect is not None
        return self.detector.expect(self.state, self.params, x, at_hour * _HOUR_NS)


def test_zscore_counts_standard_deviations() -> None:
    """After 4, 6, 4 and 6 the mean is 5 and the standard deviation 1."""
    series = _Series(EW_ZSCORE, EwZScoreOptions(half_life=1e9, warm_up=4))
    series.learn(4.0, 6.0, 4.0)
    assert isnan(series.score(8.0))
    series.learn(6.0)
    assert series.score(8.0) == pytest.approx(3.0)
    assert series.score(3.5) == pytest.approx(1.5)
    assert series.expect(8.0) == pytest.approx(5.0)


def test_zscore_adopts_a_lasting_shift() -> None:
    """A shift by a million standard deviations is the new normal within a few half-lives, clipped learning or not."""
    series = _Series(EW_ZSCORE, EwZScoreOptions(half_life=50.0, warm_up=10))
    series.learn(*[-1.0, 1.0] * 100)
    assert series.score(1e6) > 1e5
    series.learn(*[1e6] * 300)
    assert series.score(1e6) < 1.0


@pytest.mark.parametrize(("x", "ranges"), [(15.0, 0.5), (-10.0, 1.0), (110.0, 10.0)])
def test_range_grades_new_extremes_by_distance(x: float, ranges: float) -> None:
    """Outside [0, 10] the severity is 1 + 1.6 + 0.8 log10(1 + 100 ranges); inside it is 0."""
    series = _Series(RUNNING_RANGE, RunningRangeOptions(warm_up=3))
    series.learn(0.0, 10.0)
    assert isnan(series.score(x))
    series.learn(5.0)
    assert series.score(x) == pytest.approx(2.6 + 0.8 * log10(1.0 + 100.0 * ranges))
    assert series.score(9.9) == series.score(10.0) == 0.0


def test_range_tolerates_what_it_is_told() -> None:
    """With a tolerance of half the range, 15 is ordinary beside [0, 10] and 15.1 is not; 10 is what was expected."""
    series = _Series(RUNNING_RANGE, RunningRangeOptions(warm_up=2, tolerance=0.5))
    series.learn(0.0, 10.0)
    assert series.score(15.0) == 0.0
    assert series.score(15.1) > 2.6
    assert series.expect(15.1) == 10.0


def test_range_of_a_flat_series_takes_any_move_as_the_smallest() -> None:
    """Rounding is no move; a real one scores 1 + base, however far it goes."""
    series = _Series(RUNNING_RANGE, RunningRangeOptions(warm_up=2))
    series.learn(0.3, 0.3, 0.3)
    assert series.score(0.1 + 0.2) == 0.0
    assert series.score(0.4) == series.score(1e9) == pytest.approx(2.6)


def test_range_forgets_half_of_an_unused_bound() -> None:
    """Ten records at 0 with a half-life of ten bring an upper bound of 8 down to 4; without one it stays for ever."""
    for half_life, bound in ((10.0, 4.0), (None, 8.0)):
        series = _Series(RUNNING_RANGE, RunningRangeOptions(warm_up=2, half_life=half_life))
        series.learn(0.0, 8.0, *[0.0] * 10)
        assert series.expect(100.0) == pytest.approx(bound)


def test_slot_knows_what_is_ordinary_at_this_hour() -> None:
    """The same value is ordinary at noon and strange at midnight."""
    series = _Series(SEASONAL_SLOT, SeasonalSlotOptions())
    for day in range(1, 5):
        wobble = 1.0 if day % 2 else -1.0
        series.learn(10.0 + wobble, at_hour=24 * day)
        series.learn(100.0 + wobble, at_hour=24 * day + 12)
    assert series.score(100.0, at_hour=24 * 5 + 12) == pytest.approx(0.0)
    assert series.score(100.0, at_hour=24 * 5) == pytest.approx(90.0)
    assert series.expect(0.0, at_hour=24 * 5) == pytest.approx(10.0)
    assert isnan(series.score(100.0, at_hour=24 * 5 + 7))


def test_slot_follows_the_offset() -> None:
    """Two hours east of Greenwich, 23:30 UTC belongs to the slot from one to two in the morning."""
    series = _Series(SEASONAL_SLOT, SeasonalSlotOptions(utc_offset_s=7_200.0))
    series.learn(1.0, at_hour=23)
    assert series.state["slot"]["count"].tolist() == [0, 1] + [0] * 22


def test_slots_need_not_divide_the_season() -> None:
    """Seven slots of a day: the last hour falls into the last one, none outside."""
    series = _Series(SEASONAL_SLOT, SeasonalSlotOptions(slots=7))
    for hour in range(24, 48):
        series.learn(1.0, at_hour=hour)
    assert series.state["slot"]["count"].tolist() == [4, 3, 4, 3, 4, 3, 3]


def test_trees_see_combinations() -> None:
    """Two fields that always move together: each alone is ordinary, against each other they are not."""
    series = _Series(HALF_SPACE_TREES, HalfSpaceTreesOptions(trees=25, window=200), 2)
    for x in np.random.default_rng(5).normal(size=400):
        series.learn_row(x, x)
    ordinary = max(series.score_row(x, x) for x in (-1.0, 0.0, 1.0))
    assert series.score_row(1.5, -1.5) > 3.0 * ordinary
    assert series.score_row(9.0, 9.0) > 3.0 * ordinary


def test_trees_without_mass_score_highest() -> None:
    """Where no tree of the reference window holds anything, the score is window times trees."""
    series = _Series(HALF_SPACE_TREES, HalfSpaceTreesOptions(window=50, scaling="none"), 1)
    for _ in range(50):
        series.learn_row(0.5)
    assert series.score_row(0.01) == 50.0 * 10.0


def test_trees_name_what_scaling_may_be() -> None:
    """A word that is no choice is refused with the choices."""
    with pytest.raises(ConfigError, match="scaling: must be squash or none, was 'minmax'"):
        HalfSpaceTreesOptions(scaling="minmax")  # type: ignore[arg-type]  # the wrong word is the point


def test_magnitudes_stay_finite_and_free_of_scale() -> None:
    """Values are bounded at 1e150, distances at 1e12 sd, learning at 100 sd; rounding is no distance."""
    assert (bounded(1e300), bounded(-1e300), bounded(-2.5)) == (1e150, -1e150, -2.5)
    assert deviations(3.0, 1.5, 100.0) == 2.0
    assert deviations(1e150, 1e-150, 0.0) == 1e12
    assert deviations(1e-14, 0.0, 1.0) == 0.0
    assert deviations(1e-9, 0.0, 1.0) == 10.0
    assert (learnable(250.0, 2.0, 5.0), learnable(-250.0, 2.0, 5.0)) == (200.0, -200.0)
    assert learnable(250.0, 0.0, 5.0) == 250.0
