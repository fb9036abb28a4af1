"""Exponentially weighted counts in O(1) a record: new records weigh more, instead of all old ones less.

Cormode, Shkapenyuk, Srivastava and Xu (ICDE 2009), "Forward decay: a practical time decay model for streaming
systems", section III. The weights would outgrow their type, so now and then everything is made smaller by a power of
two, which rounds nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pynomaly.domain.jit import Row, compiled

_HEAVIEST = 2.0**40
_LIGHTER = 2.0**-40


def decay_fields() -> list[tuple[Any, ...]]:
    """Return what a state needs beside its counts: the newest record's weight, to begin as 1, and the sum of all."""
    return [("weight", "f8"), ("total", "f4")]


def growth(half_life: float) -> float:
    """Return by how much a record outweighs the one before it."""
    return float(2.0 ** (1.0 / half_life))


@compiled
def add_weight(state: Row, growth: float) -> float:
    """Give the next record its weight and return what all counts have to be multiplied by first: mostly 1."""
    lighter = 1.0
    state.weight *= growth
    if state.weight >= _HEAVIEST:
        lighter = _LIGHTER
        state.weight *= lighter
        state.total *= np.float32(lighter)
    state.total += np.float32(state.weight)
    return lighter


@compiled
def lighten(mass: Any, lighter: np.float32) -> None:
    """Multiply every count of a matrix by what `add_weight` returned."""
    rows, columns = mass.shape
    for one in range(rows):
        for other in range(columns):
            mass[one, other] *= lighter
