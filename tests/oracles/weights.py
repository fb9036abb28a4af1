"""Weights of an exponentially weighted mean, written out record by record."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def weights(count: int, half_life: float) -> NDArray[np.float64]:
    """Return what each of ``count`` records weighs: the newest gets its share, all before lose that share.

    The share is that of the half-life, or that of a plain mean until the half-life is filled.
    """
    if count == 0:
        return np.zeros(0)
    share = max(1 - 0.5 ** (1 / half_life), 1 / count)
    return np.append(weights(count - 1, half_life) * (1 - share), share)
