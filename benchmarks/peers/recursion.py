"""The recursion that the peers share: an exponentially weighted z-score; a series is `(count, mean, variance)`.

A record is judged before it is learned, after a warm-up of 50. Ours does the same and more: it calibrates the scores
and decides by them, so it alerts on other records. What that costs is on our side.
"""

from __future__ import annotations

import math

ALPHA = 0.01
WARM_UP = 50
BAR = 3.63

State = tuple[int, float, float]
NEW: State = (0, 0.0, 0.0)


def step(state: State, value: float) -> tuple[State, float]:
    """Return the next state, and the z-score of a value; 0 while the series warms up."""
    count, mean, variance = state
    gap = value - mean
    score = gap / math.sqrt(variance) if count >= WARM_UP and variance > 0.0 else 0.0
    weight = max(ALPHA, 1.0 / (count + 1))
    return (count + 1, mean + weight * gap, (1.0 - weight) * (variance + weight * gap * gap)), score
