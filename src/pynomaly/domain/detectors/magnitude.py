"""Arithmetic that stays finite and free of scale, for detectors that square, divide and learn what they are given."""

from __future__ import annotations

from pynomaly.domain.jit import compiled

FLAT = 1e-12  # a spread below this share of the level is rounding, no scale
_OFF_FLAT = 10.0  # score of any move away from a series that never moved
_LARGEST = 1e150  # twice as much squared is still a finite double
_FARTHEST = 1e12  # most standard deviations a score tells apart
_FARTHEST_LEARNED = 100.0  # most standard deviations that are learned at once


@compiled
def bounded(x: float) -> float:
    """Return x within +-1e150, so that squares of differences stay finite."""
    return min(max(x, -_LARGEST), _LARGEST)


@compiled
def deviations(distance: float, sd: float, level: float) -> float:
    """Return how many standard deviations a distance from the level is; a flat series knows only 0 and 10."""
    rounding = FLAT * abs(level)
    if sd > rounding:
        return min(distance / sd, _FARTHEST)
    return 0.0 if distance <= rounding else _OFF_FLAT


@compiled
def learnable(deviation: float, sd: float, level: float) -> float:
    """Return as much of a deviation as may be learned at once: 100 sd, or all of it where there is no scale yet.

    One corrupt value would otherwise widen a variance for thousands of records and hide what follows. A shift that
    lasts is still adopted within a few records, because each clipped step widens the variance geometrically.
    """
    return clipped(deviation, sd, level, _FARTHEST_LEARNED)


@compiled
def clipped(deviation: float, sd: float, level: float, sds: float) -> float:
    """Return a deviation within so many sd, or all of it where there is no scale yet."""
    if sd <= FLAT * abs(level):
        return deviation
    return min(max(deviation, -sds * sd), sds * sd)
