"""Which other values of a field would have been ordinary, and which would have changed the verdict.

Both are found by asking the kernel about values on either side, at distances that double over sixty powers of two, and
then between the last value for which the answer held and the first for which it did not, until they are as near as
one part in a million of their distance. About 350 values a field are judged. An answer that changes and changes back
between two neighbouring distances is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.plan import AdaptedSource
from pynomaly.domain.trace.decision_trace import DecisionTrace
from pynomaly.domain.trace.moment import Moment

Holds = Callable[[NDArray[np.float64]], NDArray[np.bool_]]

_FARTHER: Final[NDArray[np.float64]] = np.exp2(np.arange(-30.0, 31.0))
_LARGEST: Final = float(np.finfo(np.float64).max)
_SECTIONS: Final = 32
_BETWEEN: Final = np.arange(1, _SECTIONS + 1) / _SECTIONS
_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Interval:
    """Values from ``low`` to ``high``; infinite where no end was found within a billion times the scale."""

    low: float
    high: float


def ordinary_values(moment: Moment, decided: DecisionTrace, k: int) -> Interval | None:
    """Return the values around the expected one for which the severity of part ``k`` stays below its soft threshold.

    With a soft threshold of 1 these are the values such as nine in ten were, by the part's own measure. None for a part
    that expects no value, does not know yet, or finds nothing ordinary now, not even what it expects.
    """
    part, said = moment.plan.parts[k], decided.parts[k]
    limit = moment.plan.channels[said.channel].combination.soft_threshold
    if isnan(said.expected) or isnan(said.severity):
        return None
    column = part.fields[0]

    def is_ordinary(values: NDArray[np.float64]) -> NDArray[np.bool_]:
        return moment.with_value(column, values).severity[:, k] < limit

    return _around(is_ordinary, said.expected, float(moment.values[column]))


def unchanged_values(moment: Moment, decided: DecisionTrace, column: int) -> Interval | None:
    """Return the values of a field around the record's own that alert as it does, or for which it would not either.

    The other fields stay as they are. So the nearer end is the smallest change of this field that would have made a
    quiet record alert, or an alerting one quiet. None where an adapted detector looks at the field: what it would say
    of other values is not known.
    """
    if any(column in part.fields for part in moment.plan.parts if isinstance(part.source, AdaptedSource)):
        return None

    def is_unchanged(values: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (moment.with_value(column, values).level > 0) == (decided.level > 0)

    own = float(moment.values[column])
    expected = float(decided.expected[column])
    return _around(is_unchanged, own, own if isnan(expected) else expected)


def _around(holds: Holds, middle: float, other: float) -> Interval | None:
    """Return the stretch around ``middle`` where something holds; the distance of ``other`` tells the scale."""
    if not holds(np.array([middle]))[0]:
        return None
    scale = max(abs(other - middle), abs(middle)) or 1.0
    return Interval(_end(holds, middle, -scale), _end(holds, middle, scale))


def _end(holds: Holds, middle: float, scale: float) -> float:
    """Return the last value on one side for which it holds, infinite where that is all of them."""
    with np.errstate(over="ignore"):
        candidates = np.clip(middle + scale * _FARTHER, -_LARGEST, _LARGEST)
    failing = np.flatnonzero(~holds(candidates))
    if not len(failing):
        return inf if scale > 0 else -inf
    first = int(failing[0])
    within, beyond = (middle if first == 0 else float(candidates[first - 1])), float(candidates[first])
    for _ in range(_ROUNDS):
        candidates = within + (beyond - within) * _BETWEEN
        failing = np.flatnonzero(~holds(candidates))
        first = int(failing[0]) if len(failing) else _SECTIONS - 1
        within, beyond = (within if first == 0 else float(candidates[first - 1])), float(candidates[first])
    return within
