"""Thresholds chosen on labels, and what they are worth elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pynomaly.application.quality.nab import PROFILES, Tally, total
from pynomaly.application.quality.threshold import CANDIDATES, Choice, best, cross_validated, left_out
from pynomaly.application.quality.trial import at_threshold
from pynomaly.domain.alert_policy import AlertPolicyOptions

_STANDARD = PROFILES["standard"]


def _file(best_at: float) -> Choice:
    """Return a file whose one window is found at one threshold only, early and without false alerts."""
    return tuple(Tally(1, int(bar == best_at), float(bar == best_at)) for bar in CANDIDATES)


def _score(files: list[Choice]) -> float:
    return total(file[best(files, _STANDARD)] for file in files).score(_STANDARD)


def test_the_best_threshold_is_found() -> None:
    """Two of three files agree; the score is theirs."""
    files = [_file(2.0), _file(2.0), _file(3.0)]
    assert CANDIDATES[best(files, _STANDARD)] == 2.0
    assert _score(files) == pytest.approx(200 / 3)


def test_without_windows_the_quietest_threshold_is_best() -> None:
    """A half of the files may have none; of equals the lowest is taken."""
    noisy = tuple(Tally(false_rows=9, spilled=max(0.0, 5.0 - bar)) for bar in CANDIDATES)
    assert CANDIDATES[best([noisy], _STANDARD)] == 5.0


def test_files_that_agree_lose_nothing_by_cross_validation() -> None:
    """Whatever half is chosen on, its threshold suits the other."""
    found = cross_validated([_file(2.0)] * 6, _STANDARD, splits=5, seed=1)
    assert (found.mean, found.sd) == (pytest.approx(100.0), pytest.approx(0.0))


def test_files_that_disagree_promise_nothing() -> None:
    """With two files each is scored at the threshold of the other."""
    files = [_file(2.0), _file(3.0)]
    assert _score(files) == pytest.approx(50.0)
    assert cross_validated(files, _STANDARD, splits=3, seed=1).mean == pytest.approx(0.0)


def test_the_seed_decides_the_halves() -> None:
    """The same seed gives the same figure, another one another."""
    files = [_file(bar) for bar in (1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0)]
    one, again, other = (cross_validated(files, _STANDARD, splits=4, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_a_group_has_no_part_in_its_own_threshold() -> None:
    """Group b is scored at the threshold of group a, and the other way round."""
    files = [_file(2.0), _file(2.0), _file(3.0)]
    assert left_out(files, ["a", "a", "b"], _STANDARD) == pytest.approx(0.0)
    assert left_out([_file(2.0)] * 3, ["a", "a", "b"], _STANDARD) == pytest.approx(100.0)


def test_a_threshold_moves_the_lowest_level() -> None:
    """Levels that are no longer above it go; what does not exist is not made."""
    policy = AlertPolicyOptions(watch=2.3, warning=4.0, critical=6.0)
    assert at_threshold(policy, 3.0) == replace(policy, watch=3.0)
    assert at_threshold(policy, 4.0) == replace(policy, watch=4.0, warning=None)
    alone = AlertPolicyOptions(watch=None, warning=4.0, critical=None)
    assert at_threshold(alone, 1.0) == replace(alone, warning=1.0)
