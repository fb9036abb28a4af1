"""Arrays with a number for each lag, as detectors keep that compare the newest subsequence with those before it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pynomaly.domain.jit import compiled

#: Records that fit in before a buffer, in which older ones follow newer ones, moves all of them.
ROOM: Final = 64
#: Of the largest finite float32.
LARGEST_BITS: Final = np.int32(0x7F7FFFFF)


def whole_words(length: int) -> int:
    """Round a number of float32 up to whole words, so that a row has no padding, whose bytes nobody sets."""
    return length + length % 2


@compiled
def least(numbers: Any) -> float:
    """Return the least of float32 numbers that only rounding can bring below 0, or 0 if there is such a one.

    Compared as bits, which for numbers from 0 up have the same order: the least of many integers is found many at a
    time, that of floats is not, for a NaN among them would have to be told.
    """
    bits = LARGEST_BITS
    for lag in range(len(numbers)):
        bits = min(bits, np.float32(numbers[lag]).view(np.int32))
    return max(float(np.int32(bits).view(np.float32)), 0.0)


@compiled
def move_to_room(numbers: Any) -> None:
    """Move numbers towards the old end of their buffer; those that fall off there are lost."""
    for index in range(len(numbers) - 1, ROOM - 1, -1):
        numbers[index] = numbers[index - ROOM]
