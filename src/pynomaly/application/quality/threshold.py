"""One threshold for many series: the best one on their labels, and what it is worth on other series.

The Numenta Anomaly Benchmark takes for every detector and profile the one threshold that scores best on all files,
that is on the labels themselves. What such a threshold promises is seen on files that had no part in its choice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pynomaly.application.quality.nab import Profile, Tally, total

#: Evidence of the lowest level that a choice is made among.
CANDIDATES: Final = tuple(round(0.5 + 0.1 * step, 1) for step in range(76))

Choice = tuple[Tally, ...]
"""What one file comes to at each of `CANDIDATES`."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of a score over repeated splits, and its standard deviation."""

    mean: float
    sd: float


def best(files: Sequence[Choice], profile: Profile) -> int:
    """Return the number of the candidate that is best on these files, labelled or not; the lowest of equals."""
    return int(np.argmax([total(file[index] for file in files).points(profile) for index in range(len(CANDIDATES))]))


def cross_validated(files: Sequence[Choice], profile: Profile, *, splits: int, seed: int) -> Spread:
    """Choose on half of the files and score the other half, then the other way round; the two halves make one score.

    Parameters
    ----------
    files
        At least two.
    splits
        How often the files are divided anew.
    seed
        Tells the divisions.
    """
    random = np.random.default_rng(seed)
    scores = [_held_out(_halves(files, random.permutation(len(files))), profile) for _ in range(splits)]
    return Spread(float(np.mean(scores)), float(np.std(scores)))


def left_out(files: Sequence[Choice], groups: Sequence[str], profile: Profile) -> float:
    """Score each group at the threshold chosen on all others; the groups make one score.

    Parameters
    ----------
    files, groups
        Equally many; at least two different groups.
    """
    by_group: dict[str, list[Choice]] = defaultdict(list)
    for file, group in zip(files, groups, strict=True):
        by_group[group].append(file)
    return _held_out(((_others(by_group, group), members) for group, members in by_group.items()), profile)


def _others(by_group: dict[str, list[Choice]], group: str) -> list[Choice]:
    return [file for name, members in by_group.items() if name != group for file in members]


def _halves(files: Sequence[Choice], order: Iterable[int]) -> Iterator[tuple[list[Choice], list[Choice]]]:
    shuffled = [files[index] for index in order]
    one, other = shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]
    yield one, other
    yield other, one


def _held_out(pairs: Iterable[tuple[Sequence[Choice], Sequence[Choice]]], profile: Profile) -> float:
    """Return the score of all second halves, each at the threshold that is best on its first half."""
    tallies: list[Tally] = []
    for chosen_on, scored in pairs:
        index = best(chosen_on, profile)
        tallies.extend(file[index] for file in scored)
    return total(tallies).score(profile)
