"""The last values of a series in the order of their size, and their quantiles."""

from __future__ import annotations

from typing import Any

from pynomaly.detector import compiled

_Values = Any  # an array of a row, as compiled code sees it


@compiled
def place_of(ordered: _Values, count: int, x: float) -> int:
    """Return how many of the first ``count`` values are below x, by bisection."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def insert(ordered: _Values, count: int, x: float) -> None:
    """Put x among the first ``count`` values; O(count) moves."""
    place = place_of(ordered, count, x)
    for i in range(count, place, -1):
        ordered[i] = ordered[i - 1]
    ordered[place] = x


@compiled
def remove(ordered: _Values, count: int, x: float) -> None:
    """Take x, which is there, from among the first ``count`` values; O(count) moves."""
    for i in range(place_of(ordered, count, x), count - 1):
        ordered[i] = ordered[i + 1]


@compiled
def quantile(ordered: _Values, count: int, share: float) -> float:
    """Return a quantile of the first ``count`` values: definition 7 of Hyndman and Fan (1996), as NumPy has it."""
    position = share * (count - 1)
    below = int(position)
    above = min(below + 1, count - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))
