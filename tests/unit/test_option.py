"""Options hold what their declarations promise: type, range, words, and each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pynomaly.domain.alert_policy import AlertPolicyOptions, PersistenceOptions
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors.ew_zscore import EwZScoreOptions
from pynomaly.domain.detectors.half_space_trees import HalfSpaceTreesOptions
from pynomaly.domain.detectors.running_range import RunningRangeOptions
from pynomaly.domain.error import ConfigError
from pynomaly.domain.option import Options


@pytest.mark.parametrize(
    ("options", "given", "text"),
    [
        (EwZScoreOptions, {"half_life": None}, "half_life: must be a number, was None"),
        (EwZScoreOptions, {"half_life": "5"}, "half_life: must be a number, was '5'"),
        (EwZScoreOptions, {"half_life": True}, "half_life: must be a number, was True"),
        (EwZScoreOptions, {"half_life": float("nan")}, "half_life: must be between 1 and 1e+09, was nan"),
        (EwZScoreOptions, {"half_life": 0.5}, "half_life: must be between 1 and 1e+09, was 0.5"),
        (EwZScoreOptions, {"warm_up": True}, "warm_up: must be a whole number, was True"),
        (EwZScoreOptions, {"warm_up": 20.5}, "warm_up: must be a whole number, was 20.5"),
        (RunningRangeOptions, {"half_life": "5"}, "half_life: must be a number or none, was '5'"),
        (HalfSpaceTreesOptions, {"scaling": 3}, "scaling: must be squash or none, was 3"),
        (CalibrationOptions, {"half_life": 6e6}, "half_life: must be between 100 and 5e+06, was 6000000.0"),
        (PersistenceOptions, {"hits": 5, "of": 1}, "of: must be at least `hits`, was 1"),
        (
            AlertPolicyOptions,
            {"watch": 5.0, "warning": 4.0},
            "warning: must be greater than watch 5, was 4",
        ),
        (
            AlertPolicyOptions,
            {"watch": 4.0, "warning": None, "critical": 4},
            "critical: must be greater than watch 4, was 4",
        ),
        (
            AlertPolicyOptions,
            {"watch": None, "warning": None, "critical": None},
            "watch: must be a number where warning and critical are none, was None: nothing would alert",
        ),
    ],
)
def test_what_is_promised_is_checked(options: Callable[..., Options], given: dict[str, object], text: str) -> None:
    """A value of another type, out of range or against another value is refused with its rule."""
    with pytest.raises(ConfigError) as caught:
        options(**given)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (EwZScoreOptions, {"half_life": 5}),
        (EwZScoreOptions, {"half_life": np.float64(5.0)}),
        (RunningRangeOptions, {"half_life": None}),
        (PersistenceOptions, {"hits": 2, "of": 2}),
        (AlertPolicyOptions, {"watch": None, "warning": 0, "critical": None}),
    ],
)
def test_what_is_allowed_is_kept(options: Callable[..., Options], given: dict[str, object]) -> None:
    """A whole number is a number, and an optional one may be none."""
    made = options(**given)
    assert {name: getattr(made, name) for name in given} == given


def test_values_are_compared_when_each_is_right() -> None:
    """A value of another type is named alone, not compared with its neighbours."""
    with pytest.raises(ConfigError) as caught:
        AlertPolicyOptions(watch="5", bump=None)  # type: ignore[arg-type]  # the wrong types are the point
    assert [problem.path for problem in caught.value.problems] == ["watch", "bump"]
