"""The benchmark's score against published numbers, and against windows scored by hand."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from oracles.nab import NAB, corpus
from pynomaly.application.quality.nab import PROFILES, Tally, tally, total

#: Published scores (standard, low false positives, low false negatives), and the thresholds that give them: the
#: benchmark tries all and takes the best for each profile.
_PUBLISHED = {
    "windowedGaussian": ((39.65, 20.87, 47.41), (1.0, 1.0, 1.0)),
    "numenta": ((70.10, 63.21, 74.32), (0.5430991, 0.5430991, 0.5430991)),
    "randomCutForest": ((51.72, 38.36, 59.75), (0.4539184570312501, 0.5751955032348636, 0.44804840087890635)),
}


def _sigmoid(position: float) -> float:
    return 2 / (1 + exp(5 * position)) - 1


@pytest.mark.skipif(not NAB.exists(), reason="needs the Numenta Anomaly Benchmark in ../shared/data/nab")
@pytest.mark.parametrize("detector", list(_PUBLISHED))
def test_published_detectors_get_their_published_scores(detector: str) -> None:
    """To the second decimal, from the scores that they gave to every row."""
    scores = np.load(NAB / "published_scores.npz")
    files = [(scores[f"{detector}|{name}"], file.windows) for name, file in corpus().items()]
    published, thresholds = _PUBLISHED[detector]
    found = [
        total(tally(score >= threshold, windows) for score, windows in files).score(profile)
        for threshold, profile in zip(thresholds, PROFILES.values(), strict=True)
    ]
    assert found == pytest.approx(published, abs=0.005)


def test_a_window_earns_what_its_first_alert_earns() -> None:
    """Rows 40 to 59: an alert at row 45 is 15 of 20 rows before the end; a later one adds nothing."""
    alerted = np.zeros(200, np.bool_)
    alerted[[45, 50]] = True
    found = tally(alerted, [(40, 59)])
    assert found == Tally(1, 1, pytest.approx(_sigmoid(-15 / 20) / _sigmoid(-1)))


def test_alerts_outside_cost_by_their_distance() -> None:
    """Before any window all; right behind one hardly anything; three widths behind it all again."""
    alerted = np.zeros(400, np.bool_)
    alerted[[70, 130, 300]] = True
    found = tally(alerted, [(100, 119)])
    assert (found.hits, found.false_rows) == (0, 3)
    assert found.spilled == pytest.approx(1 - _sigmoid((130 - 119) / 19) + 1)


def test_probation_is_not_scored() -> None:
    """The first 15 % of the rows say nothing, a window in them is missed whatever alerts."""
    alerted = np.zeros(100, np.bool_)
    alerted[:15] = True
    assert tally(alerted, [(5, 10)]) == Tally(1)


def test_silence_is_0_and_perfection_100() -> None:
    """Under every profile."""
    alerted = np.zeros(200, np.bool_)
    silent, alerted[40] = tally(alerted, [(40, 59)]), True
    for profile in PROFILES.values():
        assert silent.score(profile) == 0.0
        assert tally(alerted, [(40, 59)]).score(profile) == pytest.approx(100.0)
