"""What every native detector promises, as one check for each promise and each set of options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.description import describe
from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.testing.detector_trial import RECORDS, Case, Claims, Trial, cases, hours, noise

_EXTREMES: Final = (1e300, -1e300, 1e-300, 0.0, -1.7e308, 1.7e308, 5e-324)
_LEVELS: Final = (0.0, 0.1, -1e9, 1e-300, 1e300)
_SPIKES: Final = (1e6, -1e300)
_UNITS: Final = (2.0**20, 2.0**-40)


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise of a detector under one set of options; its text names both."""

    case: Case
    keeps: Callable[[Case], None]

    def __str__(self) -> str:
        return f"{self.case}-{self.keeps.__name__}"

    def check(self) -> None:
        """See whether it is kept.

        Raises
        ------
        AssertionError
            When it is not, with what was expected.
        """
        self.keeps(self.case)


def detector_contract(detector: Detector, claims: Claims) -> list[Promise]:
    """Return all promises of a detector, for its defaults and for the ends of every option.

    Each takes 1 to 50 ms once its state's shape is compiled, which takes a second.

    Raises
    ------
    ValueError
        When the claims do not name every option once.
    """
    documented = {item.name for item in fields(detector.options)}
    if documented != set(claims.ends):
        raise ValueError(f"ends must be given for {', '.join(sorted(documented))}, was for {', '.join(claims.ends)}")
    return [Promise(case, keeps) for case in cases(detector, claims) for keeps in PROMISES]


def score_does_not_write(case: Case) -> None:
    """Scoring, however strange the record, leaves state and parameters byte for byte as they were."""
    trial = Trial(case)
    for at in (0, 450):
        trial.feed(noise(450), at=at)
        before, params = trial.rows.tobytes(), trial.params.tobytes()
        trial.score(np.vstack([noise(50, seed=1), np.full((1, 2), 1e300)]), at=at)
        _require(trial.rows.tobytes() == before, "`score` must not write to the state")
        _require(trial.params.tobytes() == params, "`score` must not write to the parameters")


def scores_ignore_the_future(case: Case) -> None:
    """Cutting the future off, or replacing it, changes no earlier score."""
    past, future = noise(600), noise(400, seed=1)
    whole = Trial(case).feed(np.vstack([past, future]))
    cut = Trial(case).feed(past)
    other = Trial(case).feed(np.vstack([past, future * 1e6 - 3.0]))
    _require_same(whole[:600], cut, "scores must not depend on whether records follow")
    _require_same(other[:600], cut, "scores must not depend on what follows")


def scores_are_known_exactly_when_warm(case: Case) -> None:
    """A score is NaN while the detector warms up and never later; a known one is finite and not negative."""
    scores, warm = Trial(case).feed(noise()), case.is_warm(RECORDS)
    _require(bool(warm.any()), f"a score must come within {RECORDS} records: choose ends with a shorter warm-up")
    _require_same(np.isnan(scores), ~warm, "scores must be NaN until warm and known from then on")
    known = scores[warm]
    _require(bool((np.isfinite(known) & (known >= 0.0)).all()), "known scores must be finite and at least 0")


def expectation_is_known_exactly_when_warm(case: Case) -> None:
    """A detector that expects values says so from the same record on, within what it has seen or near it."""
    if case.detector.expect is None:
        return
    values, warm = noise(), case.is_warm(RECORDS)
    trial = Trial(case)
    trial.feed(values)
    low, high = values[:, 0].min(), values[:, 0].max()
    beyond = high - low if case.claims.extrapolates else 0.0
    _require_same(np.isnan(trial.expected), ~warm, "expected values must be NaN until warm and known from then on")
    expected = trial.expected[warm]
    near = (expected >= low - beyond) & (expected <= high + beyond)
    _require(bool(near.all()), "expected values must lie where values have been, or with `extrapolates` near there")


def same_input_gives_same_bytes(case: Case) -> None:
    """Two runs from scratch agree in every score and every byte of state."""
    one, two = Trial(case), Trial(case)
    _require_same(one.feed(noise()), two.feed(noise()), "scores must be the same in every run")
    _require(one.rows.tobytes() == two.rows.tobytes(), "the state must be the same in every run")


def snapshot_goes_on_where_it_stopped(case: Case) -> None:
    """A state that went through bytes gives the scores and the state of an uninterrupted run."""
    values = noise()
    uninterrupted, stopped, resumed = Trial(case), Trial(case), Trial(case)
    expected = uninterrupted.feed(values)[537:]
    stopped.feed(values[:537])
    resumed.rows = unpack(pack(StateImage({}, {"rows": stopped.rows}))).sections["rows"].copy()
    _require(resumed.rows.dtype == stopped.rows.dtype, "the state must have a dtype that bytes bring back")
    _require_same(resumed.feed(values[537:], at=537), expected, "scores must go on after a restart")
    _require(resumed.rows.tobytes() == uninterrupted.rows.tobytes(), "the state must go on after a restart")


def series_are_independent(case: Case) -> None:
    """Records of other series in between, whatever they hold, change nothing."""
    rng = np.random.default_rng(3)
    slot = rng.integers(0, 3, 3 * RECORDS)
    values = rng.normal(0.5, 0.05, (3 * RECORDS, 2))
    values[slot == 2] *= 1e9
    time_ns, mine = hours(len(slot)), slot == 1
    together, alone = Trial(case, series=3), Trial(case)
    scores = together.run(values, time_ns, slot)
    expected = alone.run(values[mine], time_ns[mine], None)
    _require_same(scores[mine], expected, "scores must not depend on other series")
    _require(together.rows[1].tobytes() == alone.rows[0].tobytes(), "the state must not depend on other series")


def state_is_bounded(case: Case) -> None:
    """A series takes the bytes that the description says, before its first record and after a thousand."""
    trial = Trial(case)
    stated = describe(case.detector, case.options, field_count=2).bytes_per_series
    _require(trial.rows.nbytes == stated, f"a series must take the {stated} bytes that are stated")
    trial.feed(noise())
    _require(trial.rows.nbytes == stated, f"a series must keep to the {stated} bytes that are stated")
    _require(not trial.rows.dtype.hasobject, "the state must hold plain numbers")


def constant_input_does_not_alarm(case: Case) -> None:
    """A series that never moves keeps one low score: nothing for a calibrator to find rare."""
    for level in _LEVELS:
        scores = Trial(case).feed(np.full((RECORDS, 2), level))
        known = scores[case.is_warm(RECORDS)]
        _require(bool((known == known[0]).all()), f"a series that is {level:g} throughout must have one score")
        _require(bool(known[0] <= 1.0), f"a series that is {level:g} throughout must score at most 1")


def extreme_values_leave_the_state_finite(case: Case) -> None:
    """The largest and smallest doubles, in the warm-up and after it, put no NaN and no infinity anywhere."""
    extremes = np.repeat(np.array(_EXTREMES)[:, np.newaxis], 2, axis=1)
    values = np.vstack([extremes, noise(500), extremes, extremes[::-1], noise(500, seed=1)])
    trial = Trial(case)
    scores = trial.feed(values)
    _require(bool(np.isfinite(scores[case.is_warm(len(values))]).all()), "scores of extreme values must be finite")
    finite = all(np.isfinite(column).all() for column in _floats_of(trial.rows))
    _require(finite, "the state must stay finite under extreme values")


def one_corrupt_value_does_not_blind(case: Case) -> None:
    """Some time after a single absurd value, ordinary records score much as they would have without it."""
    values = noise(4_000)
    clean = np.median(Trial(case).feed(values)[-1_000:])
    for spike in _SPIKES:
        spiked = values.copy()
        spiked[1_500] = spike
        hurt = np.median(Trial(case).feed(spiked)[-1_000:])
        near = bool(0.2 * clean <= hurt <= 5.0 * clean)
        _require(near, f"the median score must stay within 5 times of {clean:g} after one {spike:g}, was {hurt:g}")


def unit_of_the_values_does_not_matter(case: Case) -> None:
    """Values in other units get the very same scores, unless the detector says that they do not."""
    if not case.claims.is_unitless(case.options):
        return
    scores = Trial(case).feed(noise())
    for unit in _UNITS:
        _require_same(Trial(case).feed(noise() * unit), scores, f"scores must be the same in units of {unit:g}")


def goes_without_a_clock(case: Case) -> None:
    """Event times of 0 silence the detectors that need a clock and make no difference to those that have none."""
    trial = Trial(case)
    scores = trial.feed_without_clock(noise())
    match case.claims.clock:
        case "needed":
            _require(bool(np.isnan(scores).all()), "there must be no score without a clock")
            _require(trial.rows.tobytes() == case.layout().initial.tobytes(), "nothing must be learned without a clock")
        case "helpful":
            known = scores[case.is_warm(RECORDS)]
            _require(bool(np.isfinite(known).all()), "there must be scores without a clock")
        case "unused":
            _require_same(scores, Trial(case).feed(noise()), "scores must not depend on the clock")


#: All of them, in the order in which they are checked.
PROMISES: Final[tuple[Callable[[Case], None], ...]] = (
    score_does_not_write,
    scores_ignore_the_future,
    scores_are_known_exactly_when_warm,
    expectation_is_known_exactly_when_warm,
    same_input_gives_same_bytes,
    snapshot_goes_on_where_it_stopped,
    series_are_independent,
    state_is_bounded,
    constant_input_does_not_alarm,
    extreme_values_leave_the_state_finite,
    one_corrupt_value_does_not_blind,
    unit_of_the_values_does_not_matter,
    goes_without_a_clock,
)


def _require(kept: bool, rule: str) -> None:  # noqa: FBT001 - an assertion reads so
    if not kept:
        raise AssertionError(rule)


def _require_same(found: NDArray[Any], expected: NDArray[Any], rule: str) -> None:
    """Compare bit by bit, NaN included; say where the first difference is."""
    if found.tobytes() != expected.tobytes():
        first = next(i for i in range(len(expected)) if found[i : i + 1].tobytes() != expected[i : i + 1].tobytes())
        raise AssertionError(f"{rule}: record {first} must be {expected[first]!r}, was {found[first]!r}")


def _floats_of(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    names = rows.dtype.names
    if names is None:
        yield rows
        return
    for name in names:
        yield from _floats_of(rows[name])
