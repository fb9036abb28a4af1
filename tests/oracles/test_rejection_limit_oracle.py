"""The breaker's arithmetic on positions against counting record by record, over random streams, cuts and restarts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.domain.error import ConfigError, StateError
from pynomaly.domain.rejection_limit import RejectionBreaker, RejectionLimits
from pynomaly.domain.state import StateImage, pack, unpack

_LIMITS = st.builds(
    lambda most, more, run, start: RejectionLimits(most, most + more, run, start),
    *(st.integers(1, 12) for _ in range(4)),
)


def _first_excess(stream: Sequence[bool], limits: RejectionLimits) -> tuple[int, str] | None:
    """Count as the rules are written: one record after another."""
    window: deque[bool] = deque(maxlen=limits.of)
    run, accepted = 0, False
    for number, rejected in enumerate(stream):
        window.append(rejected)
        run, accepted = (run + 1, accepted) if rejected else (0, True)
        if not accepted and run > limits.run_at_start:
            return number, "run_at_start"
        if run > limits.run:
            return number, "run"
        if sum(window) > limits.most:
            return number, "most"
    return None


def _judged(
    stream: Sequence[bool], limits: RejectionLimits, cuts: Sequence[int], *, restarts: bool
) -> tuple[int, str] | None:
    breaker, first = RejectionBreaker(limits), 0
    for size in [*cuts, len(stream)]:
        batch = np.array(stream[first : first + size], np.bool_)
        excess = breaker.count(np.flatnonzero(batch), len(batch))
        if excess is not None:
            return first + excess.row, excess.limit
        first += len(batch)
        if restarts:
            state, breaker = pack(breaker.snapshot()), RejectionBreaker(limits)
            breaker.restore(unpack(state))
    return None


@settings(max_examples=400)
@given(
    stream=st.lists(st.booleans() | st.just(value=True), max_size=80),
    limits=_LIMITS,
    cuts=st.lists(st.integers(0, 9), max_size=30),
    restarts=st.booleans(),
)
def test_the_first_record_beyond_a_limit_is_found(
    stream: list[bool], limits: RejectionLimits, cuts: list[int], *, restarts: bool
) -> None:
    """Whatever the batches are, and with a restart after each of them."""
    assert _judged(stream, limits, cuts, restarts=restarts) == _first_excess(stream, limits)


def test_a_raised_limit_goes_on_from_the_saved_state() -> None:
    """What was counted before the limit was raised still counts."""
    breaker = RejectionBreaker(RejectionLimits(run=3, run_at_start=3))
    assert breaker.count(np.arange(3), 3) is None
    raised = RejectionBreaker(RejectionLimits(run=5, run_at_start=5))
    raised.restore(breaker.snapshot())
    excess = raised.count(np.arange(10), 10)
    assert excess is not None
    assert (excess.row, excess.limit, excess.allowed) == (2, "run_at_start", "5 before the first good one")


def test_memory_is_bounded() -> None:
    """The state holds no more numbers than the largest limit counts."""
    breaker = RejectionBreaker(RejectionLimits(most=50, of=1_000, run=20))
    breaker.count(np.arange(0, 100_000, 30), 100_000)
    assert len(breaker.snapshot().sections["rejected"]) == 50


def test_limits_that_never_hold_are_refused() -> None:
    """Or an operator would believe in them."""
    with pytest.raises(ConfigError, match=r"most: must be less than of \(10\)"):
        RejectionLimits(most=10, of=10)


@pytest.mark.parametrize(
    "image",
    [
        StateImage({"state": "other"}, {"rejected": np.empty(0, np.int64)}),
        StateImage({"state": "rejections", "records": 1, "any_accepted": True}, {}),
        StateImage({"state": "rejections", "records": 1, "any_accepted": True}, {"rejected": np.zeros(1)}),
    ],
)
def test_a_foreign_state_is_refused(image: StateImage) -> None:
    """It is not guessed at."""
    with pytest.raises(StateError, match="saved rejections must have"):
        RejectionBreaker(RejectionLimits()).restore(image)
