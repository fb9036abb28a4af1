"""What every native detector promises, generated over every documented option at its low, default and high end."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.detectors import NATIVE_DETECTORS
from pynomaly.testing import Claims, Promise, detector_contract, warm_after

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
    "shape_profile": {"horizon": (400, 1_000), "period_records": (600, 800)},
    "joint_profile": {
        "horizon": (256, 300),
        "scale_records": (10, 400),
        "scale_half_life": (10.0, 1e9),
        "level_half_life": (1.0, 1e6),
        "quiet": (0.0, 1.0),
    },
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
_CLOCKS: dict[str, Literal["helpful", "needed"]] = {
    "seasonal_slot": "needed",
    "cadence": "needed",
    "holt_winters": "helpful",
    "oneshot_stl": "helpful",
    "adaptive_jump": "helpful",
}
#: Detectors that forecast, and thus expect what they may never have seen.
_EXTRAPOLATING = {"ar_residual", "robust_zscore", "holt_winters", "oneshot_stl"}


def _visited_often(options: Any, time_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell whether enough earlier records lie in the same slot of the season."""
    visits: dict[int, int] = {}
    often = np.zeros(len(time_ns), np.bool_)
    for i, moment_ns in enumerate(time_ns.tolist()):
        phase = (moment_ns / 1e9 + options.utc_offset_s) % options.period_s / options.period_s
        slot = floor(phase * options.slots + 1e-9)
        often[i] = visits.get(slot, 0) >= options.warm_up
        visits[slot] = visits.get(slot, 0) + 1
    return often


#: When there is a score, of detectors that do not state it as an option of their own.
_WARM: dict[str, Callable[[Any, NDArray[np.int64]], NDArray[np.bool_]]] = {
    "seasonal_slot": _visited_often,
    "half_space_trees": warm_after(lambda options: options.window),
    "jump": warm_after(lambda options: options.window + options.warm_up),
    "adaptive_jump": warm_after(lambda options: options.window + options.warm_up),
    "left_matrix_profile": warm_after(lambda options: options.scale_records + 3 * options.window),
    "shape_profile": warm_after(lambda options: [options.period_records] * 4 + [100]),
    "joint_profile": warm_after(
        lambda options: [options.scale_records + after for after in (8 + 64, 32 + 64, 64 + 128, 128 + 256, 0, 0)]
    ),
    "sdo_stream": warm_after(lambda options: max(options.warm_up, options.neighbours)),
    "window_knn": warm_after(lambda options: max(options.warm_up, options.neighbours)),
}


def _claims(name: str) -> Claims:
    return Claims(
        ends=_ENDS[name],
        is_warm=_WARM.get(name, warm_after(lambda options: options.warm_up)),
        clock=_CLOCKS.get(name, "unused"),
        extrapolates=name in _EXTRAPOLATING,
        is_unitless=lambda options: getattr(options, "scaling", None) != "none",
    )


_PROMISES = [promise for name in _ENDS for promise in detector_contract(NATIVE_DETECTORS[name], _claims(name))]


def test_every_detector_has_ends() -> None:
    """No detector escapes the contract; that no option does, it sees to by itself."""
    assert set(_ENDS) == set(NATIVE_DETECTORS)


@pytest.mark.parametrize("promise", _PROMISES, ids=str)
def test_promises_are_kept(promise: Promise) -> None:
    """Every detector keeps every promise under every set of options."""
    promise.check()
