"""What a choice promises: candidates chosen on some pieces of a history, scored on pieces that had no part in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Score = Callable[[Floats], Floats]
"""``(..., m)`` sums of marks -> ``(...)`` scores, NaN where they say nothing."""


@dataclass(frozen=True, slots=True)
class Split:
    """Pieces on which a candidate is chosen, and those that it is scored on."""

    chosen_on: Ints
    scored: Ints


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What choices were worth where they had not been made.

    Parameters
    ----------
    score
        Of the scored pieces of all splits together, each under what its own split chose; NaN where no split could
        choose.
    unchanged
        The same pieces under the first candidate.
    chosen
        Candidate of each split that could choose, in order.
    """

    score: float
    unchanged: float
    chosen: tuple[int, ...]


def expanding(fold: Sequence[int]) -> list[Split]:
    """Return a split for each fold but the first: all earlier folds choose, it is scored.

    Bergmeir and Benitez, "On the use of cross-validation for time series predictor evaluation" (Information Sciences
    191, 2012) call it evaluation with a rolling origin.

    Parameters
    ----------
    fold
        ``(u,)`` fold of each piece, counted from 0 in the order of time.
    """
    folds = np.asarray(fold)
    return [Split(np.flatnonzero(folds < one), np.flatnonzero(folds == one)) for one in range(1, int(folds.max()) + 1)]


def halves(pieces: int, random: np.random.Generator) -> list[Split]:
    """Return two splits of at least two pieces: a random half chooses for the other, and the other way round."""
    order = random.permutation(pieces)
    one, other = order[: pieces // 2], order[pieces // 2 :]
    return [Split(one, other), Split(other, one)]


def groups_left_out(groups: Sequence[str]) -> list[Split]:
    """Return a split for each group: all others choose for it."""
    names = np.asarray(groups)
    return [Split(np.flatnonzero(names != one), np.flatnonzero(names == one)) for one in np.unique(names)]


def held_out(marks: Floats, splits: Iterable[Split], score: Score) -> HeldOut:
    """Choose and score; a split whose first pieces say nothing is left out.

    Parameters
    ----------
    marks
        ``(c, u, m)`` what each of ``u`` pieces adds under each of ``c`` candidates.
    """
    used = list(_chosen(marks, splits, score))
    if not used:
        return HeldOut(nan, nan, ())
    sums = sum(marks[candidate, split.scored].sum(axis=0) for candidate, split in used)
    unchanged = sum(marks[0, split.scored].sum(axis=0) for _, split in used)
    return HeldOut(
        float(score(np.asarray(sums))),
        float(score(np.asarray(unchanged))),
        tuple(candidate for candidate, _ in used),
    )


def best(scores: Floats) -> int | None:
    """Return the number of the highest known score, the first of equals; None where none is known."""
    return None if np.isnan(scores).all() else int(np.nanargmax(scores))


def _chosen(marks: Floats, splits: Iterable[Split], score: Score) -> Iterator[tuple[int, Split]]:
    for split in splits:
        candidate = best(score(marks[:, split.chosen_on].sum(axis=1)))
        if candidate is not None:
            yield candidate, split
