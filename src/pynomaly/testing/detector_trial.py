"""A native detector under one set of options, fed with made-up records as the engine would feed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.seam import Detector, Layout
from pynomaly.domain.option import Options

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Records of an ordinary trial; `Claims.ends` are chosen so that they tell the difference.
RECORDS: Final = 1_000
_STEP_NS: Final = 3_600_000_000_000
_START_NS: Final = 1_700_000_000_000_000_000
_ORDINARY, _NOISE = 0.5, 0.05


def warm_after(records: Callable[[Any], int | Sequence[int]]) -> Callable[[Any, Ints], Flags]:
    """Return the claim that scores are known after so many records, by the options; with facets, after so many each."""
    return lambda options, time_ns: np.greater_equal.outer(np.arange(len(time_ns)), records(options))


_AFTER_WARM_UP: Final = warm_after(lambda options: int(options.warm_up))


def _always(_options: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Claims:
    """What is said of a detector that cannot be read from it.

    Parameters
    ----------
    ends
        A low and a high value for each of its options. Choose them so that 1,000 records tell the difference, with a
        small state: every shape of it is compiled anew.
    is_warm
        ``(options, (n,) times [ns]) -> (n,) flags``, with facets ``(n, m)``: for which records of a series there is a
        score; by default for all but the first ``warm_up``.
    clock
        Whether event times are *unused*, *helpful* (it does something without), or *needed* (it has no score without).
    extrapolates
        Whether it forecasts, and thus may expect what it has never seen.
    is_unitless
        ``options -> bool``: whether values in another unit get the very same scores.
    """

    ends: Mapping[str, tuple[Any, Any]]
    is_warm: Callable[[Any, Ints], Flags] = _AFTER_WARM_UP
    clock: Literal["unused", "helpful", "needed"] = "unused"
    extrapolates: bool = False
    is_unitless: Callable[[Any], bool] = _always


@dataclass(frozen=True, slots=True)
class Case:
    """A detector under one set of options, on two value fields where it takes a vector."""

    detector: Detector
    claims: Claims
    options: Options

    def __str__(self) -> str:
        changed = [
            f"{item.name}={getattr(self.options, item.name)}"
            for item in fields(self.options)
            if getattr(self.options, item.name) != item.default
        ]
        return f"{self.detector.name}({', '.join(changed)})"

    def layout(self) -> Layout:
        """Return the memory of one series."""
        return self.detector.layout(self.options, 2)

    def is_warm(self, count: int) -> Flags:
        """Tell for each hourly record whether there has to be a score."""
        return self.claims.is_warm(self.options, hours(count))


def cases(detector: Detector, claims: Claims) -> Iterator[Case]:
    """Yield the defaults, either end of every option alone, all low ends, all high ends, and both in turn."""
    kind, ends = detector.options, claims.ends
    choices: list[dict[str, Any]] = [{}]
    for option, pair in ends.items():
        choices += [{option: end} for end in pair if end != getattr(kind(), option)]
    choices.append({option: low for option, (low, _) in ends.items()})
    choices.append({option: high for option, (_, high) in ends.items()})
    choices.append({option: pair[place % 2] for place, (option, pair) in enumerate(ends.items())})
    for chosen in choices:
        yield Case(detector, claims, kind(**chosen))


class Trial:
    """The state of a few series under one case, and the clock of their records.

    Parameters
    ----------
    case
        The detector and its options.
    series
        How many there are.
    """

    def __init__(self, case: Case, series: int = 1) -> None:
        layout = case.layout()
        self.case, self.params = case, layout.params
        self.rows = np.repeat(layout.initial, series)
        self.expected: Floats = np.empty(0)

    def feed(self, values: Floats, slot: Ints | None = None, *, at: int = 0) -> Floats:
        """Score and learn hourly records, the first of them ``at`` hours after the start."""
        return self.run(values, hours(len(values), at), slot)

    def score(self, values: Floats, *, at: int = 0) -> Floats:
        """Score records without learning them."""
        return self.run(values, hours(len(values), at), None, learns=False)

    def feed_without_clock(self, values: Floats) -> Floats:
        """Score and learn records whose event time is 0."""
        return self.run(values, np.zeros(len(values), np.int64), None)

    def run(self, values: Floats, time_ns: Ints, slot: Ints | None, *, learns: bool = True) -> Floats:
        """Score ``(n, 2)`` records of the series ``slot``, and learn them; keep what was expected."""
        facets = len(self.case.detector.facets)
        scores = np.empty((len(values), facets) if facets else len(values))
        self.expected = np.empty(len(values))
        series = np.zeros(len(values), np.int64) if slot is None else slot
        loop = _loop(self.case.detector)
        loop(self.rows, self.params, series, values, time_ns, scores, self.expected, learns=learns)
        return scores


def hours(count: int, first: int = 0) -> Ints:
    """Return the times of hourly records [ns]."""
    return _START_NS + (first + np.arange(count, dtype=np.int64)) * _STEP_NS


def noise(count: int = RECORDS, seed: int = 0) -> Floats:
    """Return ``(count, 2)`` ordinary values."""
    return np.random.default_rng(seed).normal(_ORDINARY, _NOISE, (count, 2))


@cache
def _loop(detector: Detector) -> Callable[..., None]:
    """Compile what the engine does: score each record, ask what was expected, then learn it."""
    if detector.facets:
        return _loop_of_facets(detector)
    score: Any = detector.score
    learn, takes_vector = detector.learn, detector.takes_vector
    expect = score if detector.expect is None else detector.expect

    @numba.njit(error_model="numpy")
    def loop(
        rows: Any, params: Any, slot: Any, values: Any, time_ns: Any, scores: Any, expected: Any, *, learns: bool
    ) -> None:
        for i in range(len(slot)):
            state, t = rows[slot[i]], time_ns[i]
            x = values[i] if takes_vector else values[i, 0]
            scores[i] = score(state, params[0], x, t)
            expected[i] = expect(state, params[0], x, t)
            if learns:
                learn(state, params[0], x, t)

    return loop


def _loop_of_facets(detector: Detector) -> Callable[..., None]:
    score: Any = detector.score
    learn, takes_vector = detector.learn, detector.takes_vector

    @numba.njit(error_model="numpy")
    def loop(
        rows: Any, params: Any, slot: Any, values: Any, time_ns: Any, scores: Any, expected: Any, *, learns: bool
    ) -> None:
        expected[:] = np.nan
        for i in range(len(slot)):
            state, t = rows[slot[i]], time_ns[i]
            x = values[i] if takes_vector else values[i, 0]
            score(state, params[0], x, t, scores[i])
            if learns:
                learn(state, params[0], x, t)

    return loop
