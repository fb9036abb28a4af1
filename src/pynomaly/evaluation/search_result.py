"""What a search found: the best configuration, what it is worth where it was not chosen, and how much it matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.cross_validation import Split, best, expanding, groups_left_out, halves, held_out
from pynomaly.application.quality.objective import Objective
from pynomaly.application.quality.threshold import Spread
from pynomaly.application.spec.variation import Value
from pynomaly.evaluation.search import Trial

Floats = NDArray[np.float64]

#: Of the scores of the random configurations, as ratios of their number.
QUANTILES: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_BEST_RATIO: Final = 0.1


@dataclass(frozen=True, slots=True)
class Promise:
    """What a choice by a rule was worth where it had not been made.

    Parameters
    ----------
    title
        The rule.
    score
        Over repeated divisions its mean and standard deviation; NaN where nothing could be chosen or scored.
    unchanged
        Score of the configuration as it is, on the same pieces.
    """

    title: str
    score: Spread
    unchanged: float


@dataclass(frozen=True)
class SearchResult:
    """Scores of configurations; the first of them is the one as it is.

    Parameters
    ----------
    trials
        The configurations.
    objective
        The score.
    thresholds
        Lowest levels that were tried on each beside its own.
    marks
        ``(trials, thresholds + 1, pieces, 4)``, see `marks_of`.
    promises
        What a choice by each rule was worth.
    """

    trials: tuple[Trial, ...]
    objective: Objective
    thresholds: tuple[float, ...]
    marks: Floats
    promises: tuple[Promise, ...]

    @cached_property
    def scores(self) -> Floats:
        """``(trials, thresholds + 1)`` score of each configuration on all labels."""
        return self.objective.score(self.marks.sum(axis=2))

    @property
    def unchanged(self) -> float:
        """Score of the configuration as it is."""
        return float(self.scores[0, 0])

    @property
    def score(self) -> float:
        """Highest score on all labels: of what was chosen on them, so too good to be expected; NaN without labels."""
        return nan if self._best is None else float(self.scores[self._best])

    @property
    def trial(self) -> Trial:
        """The configuration that has it; the one as it is where no score is known."""
        return self.trials[0 if self._best is None else self._best[0]]

    @property
    def threshold(self) -> float | None:
        """The lowest level that has it; None: the configuration's own."""
        number = 0 if self._best is None else self._best[1]
        return None if number == 0 else self.thresholds[number - 1]

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Scores of the random configurations at `QUANTILES`, each at its own level: how much the options matter."""
        known = self.scores[1:, 0][~np.isnan(self.scores[1:, 0])]
        return tuple(np.quantile(known, QUANTILES).tolist()) if len(known) else (nan,) * len(QUANTILES)

    def best_values(self, key: str) -> tuple[Value, ...]:
        """Return the values of an option in the best tenth of the random configurations, the best first."""
        tops = np.nan_to_num(np.fmax.reduce(self.scores[1:], axis=1), nan=-np.inf)
        order = np.argsort(-tops, kind="stable")[: ceil(_BEST_RATIO * len(tops))]
        return tuple(self.trials[number + 1].values[key] for number in order.tolist())

    @cached_property
    def _best(self) -> tuple[int, int] | None:
        number = best(self.scores.ravel())
        return None if number is None else divmod(number, self.scores.shape[1])


def promise_in_time(marks: Floats, fold: Sequence[int], objective: Objective) -> Promise:
    """Choose each fold's candidate on all earlier folds.

    Parameters
    ----------
    fold
        ``(pieces,)`` fold of each piece, see `expanding`.
    """
    return _promise("chosen on earlier folds, scored on the next", marks, expanding(fold), objective)


def promises_across(
    marks: Floats, groups: Sequence[str], objective: Objective, *, splits: int, seed: int
) -> tuple[Promise, ...]:
    """Choose for one half of the series on the other, again and again, and for each group on all others."""
    found: list[Promise] = []
    if len(groups) > 1:
        random = np.random.default_rng(seed)
        again = [_promise("", marks, halves(len(groups), random), objective) for _ in range(splits)]
        scores = [one.score.mean for one in again]
        spread = Spread(float(np.mean(scores)), float(np.std(scores)))
        found.append(Promise("chosen on half of the series, scored on the other", spread, again[0].unchanged))
    if len(set(groups)) > 1:
        found.append(_promise("chosen on other groups", marks, groups_left_out(groups), objective))
    return tuple(found)


def _promise(title: str, marks: Floats, splits: Sequence[Split], objective: Objective) -> Promise:
    candidates = marks.reshape(-1, *marks.shape[2:])
    found = held_out(candidates, splits, objective.score)
    return Promise(title, Spread(found.score, nan), found.unchanged)
