"""A running quantile in five numbers: the P-square algorithm.

Jain and Chlamtac (1985), "The P2 algorithm for dynamic calculation of quantiles and histograms without storing
observations", section 2. A row that keeps it has the fields of `QUANTILE_FIELDS`.
"""

from __future__ import annotations

from typing import Any, Final

from pynomaly.domain.jit import Row, compiled

_MARKERS: Final = 5

#: Fields of the row, 88 bytes.
QUANTILE_FIELDS: Final[list[tuple[Any, ...]]] = [
    ("observed", "i8"),
    ("heights", "f8", (_MARKERS,)),  # ascending: least, half-way markers around the quantile, largest
    ("ranks", "f8", (_MARKERS,)),  # how many observations are at or below each marker
]


@compiled
def observe(state: Row, share: float, x: float) -> None:
    """Move the markers of the quantile ``share`` by one observation; O(1)."""
    if state.observed < _MARKERS:
        _insert(state, x)
        return
    state.observed += 1
    cell = _cell(state, x)
    for marker in range(cell + 1, _MARKERS):
        state.ranks[marker] += 1.0
    for marker in range(1, _MARKERS - 1):
        _adjust(state, share, marker)


@compiled
def quantile(state: Row) -> float:
    """Return the estimate; of fewer than five observations their middle one, of none 0."""
    if state.observed >= _MARKERS:
        return float(state.heights[2])
    return float(state.heights[state.observed // 2]) if state.observed > 0 else 0.0


@compiled
def _insert(state: Row, x: float) -> None:
    """Put one of the first observations in its place."""
    place = state.observed
    while place > 0 and state.heights[place - 1] > x:
        state.heights[place] = state.heights[place - 1]
        place -= 1
    state.heights[place] = x
    state.ranks[state.observed] = state.observed + 1.0
    state.observed += 1


@compiled
def _cell(state: Row, x: float) -> int:
    """Return the marker below an observation, after making room for a new least or largest one."""
    if x < state.heights[0]:
        state.heights[0] = x
        return 0
    for marker in range(1, _MARKERS):
        if x < state.heights[marker]:
            return marker - 1
    state.heights[_MARKERS - 1] = x
    return _MARKERS - 2


@compiled
def _adjust(state: Row, share: float, marker: int) -> None:
    """Move a marker by one rank where it is off by more than that, along a parabola through its neighbours."""
    wanted = 1.0 + (state.observed - 1.0) * _share_of(share, marker)
    off = wanted - state.ranks[marker]
    above = state.ranks[marker + 1] - state.ranks[marker]
    below = state.ranks[marker - 1] - state.ranks[marker]
    if (off >= 1.0 and above > 1.0) or (off <= -1.0 and below < -1.0):
        step = 1.0 if off > 0.0 else -1.0
        height = _parabolic(state, marker, step)
        if not state.heights[marker - 1] < height < state.heights[marker + 1]:
            height = _linear(state, marker, step)
        state.heights[marker] = height
        state.ranks[marker] += step


@compiled
def _share_of(share: float, marker: int) -> float:
    """Return the share of the observations that a marker should be at: half-way to the quantile on either side."""
    if marker == 1:
        return 0.5 * share
    return share if marker == 2 else 0.5 * (1.0 + share)


@compiled
def _parabolic(state: Row, marker: int, step: float) -> float:
    """Return formula (2.9) of the paper's box 1."""
    above = state.ranks[marker + 1] - state.ranks[marker]
    below = state.ranks[marker] - state.ranks[marker - 1]
    rise = (state.heights[marker + 1] - state.heights[marker]) / above
    fall = (state.heights[marker] - state.heights[marker - 1]) / below
    return float(state.heights[marker] + step / (above + below) * ((below + step) * rise + (above - step) * fall))


@compiled
def _linear(state: Row, marker: int, step: float) -> float:
    other = marker + int(step)
    slope = (state.heights[other] - state.heights[marker]) / (state.ranks[other] - state.ranks[marker])
    return float(state.heights[marker] + step * slope)
