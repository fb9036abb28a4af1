"""Random numbers that are the same for ever: before the first record from a seed, during the stream from a count.

Nothing but raw integers is taken from NumPy, which keeps the stream of PCG64 while its distributions may change.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import compiled

_UNIT: Final = 2.0**-53
# Steele, Lea and Flood (OOPSLA 2014), "Fast splittable pseudorandom number generators", figure 17 (mix64variant13).
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def uniforms(seed: int, *shape: int) -> NDArray[np.float64]:
    """Draw numbers from (0, 1), all multiples of 2^-54."""
    raw = np.asarray(np.random.PCG64(seed).random_raw(int(np.prod(shape))), np.uint64).reshape(shape)
    return ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * _UNIT


def normals(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn uniform numbers into standard normal ones."""
    quantile = NormalDist().inv_cdf
    return np.array([quantile(value) for value in uniform.ravel().tolist()]).reshape(uniform.shape)


def subsets(uniform: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Choose ``(n, size)`` different columns of ``(n, d)`` uniform numbers: those of the smallest ones."""
    return np.argsort(uniform, axis=1, kind="stable")[:, :size].astype(np.int64)


@compiled
def draw(seed: int, number: int) -> float:
    """Return the draw of that number of a stream, in [0, 1): SplitMix64 with random access."""
    mixed = np.uint64(seed) * _FIRST + (np.uint64(number) + np.uint64(1)) * _STEP
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    mixed ^= mixed >> np.uint64(31)
    return float(mixed >> np.uint64(11)) * _UNIT
