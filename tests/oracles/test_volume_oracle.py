"""Volumes under the surfaces against a slow account of their definition, and areas against scikit-learn."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from pynomaly.application.quality.curve import areas
from pynomaly.application.quality.segment import Window, covered
from pynomaly.application.quality.volume import volumes

_THRESHOLDS = 250

Floats = NDArray[np.float64]


def _soft_label(row: int, windows: list[Window], length: int) -> float:
    """Return 1 inside a window, else the sum of the ramps that reach the row, at most 1."""
    if any(first <= row <= last for first, last in windows):
        return 1.0
    distances = [min(abs(row - first), abs(row - last)) for first, last in windows]
    return min(1.0, sum(sqrt(1 - distance / length) for distance in distances if distance <= length // 2))


def _widened(windows: list[Window], length: int) -> list[set[int]]:
    """Return the rows of every window and its ramps; those that share a row are one set."""
    sets: list[set[int]] = []
    for first, last in windows:
        rows = set(range(first - length // 2, last + length // 2 + 1))
        while (shared := next((other for other in sets if other & rows), None)) is not None:
            sets.remove(shared)
            rows |= shared
        sets.append(rows)
    return sets


def _area(scores: Floats, windows: list[Window], length: int) -> tuple[float, float]:
    """Return range-AUC-ROC and range-AUC-PR for one ramp length, threshold by threshold and row by row."""
    rows = len(scores)
    hard = covered(windows, rows)
    soft = [_soft_label(row, windows, length) for row in range(rows)]
    wide = _widened(windows, length)
    thresholds = sorted(scores.tolist(), reverse=True)
    recalls, false_rates, area_pr = [0.0], [0.0], 0.0
    for rank in range(_THRESHOLDS):
        threshold = thresholds[int(rank * (rows - 1) / (_THRESHOLDS - 1))]
        flagged = [row for row in range(rows) if scores[row] >= threshold]
        true_positives = sum(soft[row] for row in flagged)
        reached = hard.sum() + sum(soft[row] for row in flagged if not hard[row])
        positives = (hard.sum() + reached) / 2
        existence = sum(bool(region & set(flagged)) for region in wide) / len(wide)
        recalls.append(min(true_positives / positives, 1.0) * existence)
        false_rates.append((len(flagged) - true_positives) / (rows - positives))
        area_pr += (recalls[-1] - recalls[-2]) * true_positives / len(flagged)
    area_roc = float(np.trapezoid([*recalls, 1.0], [*false_rates, 1.0]))
    return area_roc, area_pr


_CASES: dict[str, list[Window]] = {
    "one window": [(120, 150)],
    "single rows": [(60, 60), (200, 200)],
    "ramps that meet": [(100, 110), (116, 125), (130, 130)],
    "at both ends": [(0, 12), (290, 299)],
}


@pytest.mark.parametrize("windows", _CASES.values(), ids=_CASES)
@pytest.mark.parametrize("kind", ["noise", "good", "ties"])
def test_volumes_are_those_of_the_definition(windows: list[Window], kind: str) -> None:
    """To 1e-12, for a score by chance, one that knows the labels, and one that knows three values."""
    random = np.random.default_rng(5)
    scores = random.normal(size=300)
    if kind == "good":
        scores += 2.0 * covered(windows, 300)
    elif kind == "ties":
        scores = np.clip(np.round(scores), 0.0, 2.0)
    longest = 9
    slow = np.mean([_area(scores, windows, length) for length in range(longest + 1)], axis=0)
    found = volumes(scores, windows, longest)
    assert (found.roc, found.pr) == pytest.approx(tuple(slow.tolist()), rel=1e-12)


def test_a_perfect_score_and_no_ramps() -> None:
    """The surface is then one curve, whose areas are 1 but for the step between two of the 250 thresholds."""
    scores = covered([(40, 139)], 1_000).astype(np.float64)
    found = volumes(scores + np.linspace(0.0, 0.1, 1_000), [(40, 139)], 0)
    assert (found.roc, found.pr) == pytest.approx((1.0, 1.0), abs=1e-3)


@pytest.mark.parametrize("windows", [[], [(0, 99)]])
def test_without_two_classes_nothing_is_known(windows: list[Window]) -> None:
    """No row or every row labelled: NaN, not 0."""
    scores = np.arange(100.0)
    assert isnan(volumes(scores, windows, 3).pr)
    assert isnan(volumes(scores, windows, 3).roc)
    assert isnan(areas(scores, covered(windows, 100)).pr)


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_areas_are_those_of_scikit_learn(decimals: int) -> None:
    """With many ties and with none."""
    random = np.random.default_rng(6)
    labelled = random.random(500) < 0.1
    scores = np.round(random.normal(size=500) + labelled, decimals)
    found = areas(scores, labelled)
    assert found.roc == pytest.approx(roc_auc_score(labelled, scores), rel=1e-12)
    assert found.pr == pytest.approx(average_precision_score(labelled, scores), rel=1e-12)
