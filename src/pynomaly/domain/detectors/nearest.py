"""The nearest of some records by brute force, which for a few hundred is faster than any index."""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import compiled

_NONE = np.float32(inf)


@compiled
def squared_distances(records: NDArray[np.float32], count: int, z: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the squared distances of the first ``count`` columns of ``(d, n)`` records from z.

    Field by field, so that the inner loop runs over records side by side.
    """
    squares = np.zeros(count, np.float32)
    for axis in range(len(z)):
        own = np.float32(z[axis])
        for other in range(count):
            distance = own - records[axis, other]
            squares[other] += distance * distance
    return squares


@compiled
def nearest(squares: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return where the ``count`` least numbers stand, least first; of equal ones the earlier first.

    Costs one comparison a number, and more only for the few that are among the least so far.
    """
    found = np.zeros(count, np.int64)
    least = np.full(count, _NONE)
    for place in range(len(squares)):
        if squares[place] < least[count - 1]:
            rank = count - 1
            while rank > 0 and least[rank - 1] > squares[place]:
                least[rank], found[rank] = least[rank - 1], found[rank - 1]
                rank -= 1
            least[rank], found[rank] = squares[place], place
    return found
