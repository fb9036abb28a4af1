"""The median of a few numbers, without sorting or moving them."""

from __future__ import annotations

from pynomaly.domain.jit import Row, compiled


@compiled
def lower_median(numbers: Row) -> float:
    """Return the number with no more than half of the others below it; O(n^2) comparisons for ``(n,)`` numbers."""
    size = len(numbers)
    middle = (size - 1) // 2
    for candidate in range(size):
        value = numbers[candidate]
        below = equal = 0
        for other in range(size):
            below += int(numbers[other] < value)
            equal += int(numbers[other] == value)
        if below <= middle < below + equal:
            return float(value)
    return float(numbers[0])
