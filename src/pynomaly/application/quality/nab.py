"""The score of the Numenta Anomaly Benchmark.

Lavin and Ahmad (ICMLA 2015), "Evaluating real-time anomaly detection algorithms - the Numenta Anomaly Benchmark",
section II.C, with the details that only its program tells (``nab/sweeper.py``): a labelled window earns what its
earliest alert earns, a sigmoid of the position in the window; a window without alert costs the weight of a miss; every
alert outside costs a share that grows with its distance behind the last window; the first rows of a file (15 %, at the
most 750) are not scored. The sum is set between that of a detector that says nothing (0) and a perfect one (100).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.segment import Window

_STEEPNESS: Final = 5.0
_FARTHEST: Final = 3.0  # window widths behind a window from which an alert costs all
_PROBATION_SHARE: Final = 0.15
_PROBATION_ROWS: Final = 750


@dataclass(frozen=True, slots=True)
class Profile:
    """What an application cares about: the costs of a false alert and of a missed window, where a hit earns 1."""

    false_alert: float
    missed: float


PROFILES: Final[dict[str, Profile]] = {
    "standard": Profile(0.11, 1.0),
    "low_false_positives": Profile(0.22, 1.0),
    "low_false_negatives": Profile(0.11, 2.0),
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What the alerts of one file, or of many, come to.

    Parameters
    ----------
    windows
        Labelled windows.
    hits
        Those with an alert.
    earned
        Sum over the hits, each at most 1.
    false_rows
        Alerted rows outside all windows.
    spilled
        Sum over them, each at most 1.
    """

    windows: int = 0
    hits: int = 0
    earned: float = 0.0
    false_rows: int = 0
    spilled: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        """Return what both come to."""
        return Tally(
            self.windows + other.windows,
            self.hits + other.hits,
            self.earned + other.earned,
            self.false_rows + other.false_rows,
            self.spilled + other.spilled,
        )

    def score(self, profile: Profile) -> float:
        """Return the score under a profile: 100 is perfect, 0 is what silence scores, below 0 is worse than that."""
        if self.windows == 0:
            raise ValueError("windows must be at least 1 for a score, were 0")
        silent = -profile.missed * self.windows
        return 100.0 * (self.points(profile) - silent) / (self.windows - silent)

    def points(self, profile: Profile) -> float:
        """Return what hits earn less what misses and false alerts cost: compares alerts on the same files."""
        return self.earned - profile.missed * (self.windows - self.hits) - profile.false_alert * self.spilled


def first_scored(rows: int) -> int:
    """Return the first row of a file that is scored: those before only teach."""
    return min(int(_PROBATION_SHARE * rows), _PROBATION_ROWS)


def tally(alerted: NDArray[np.bool_], windows: Sequence[Window], *, unscored: int | None = None) -> Tally:
    """Compare the alerts of one file with its labels.

    Parameters
    ----------
    alerted
        ``(n,)`` whether each row alerted.
    windows
        In order and apart from each other.
    unscored
        First rows that are not scored; None: as many as in a whole file, `first_scored`.
    """
    probation = first_scored(len(alerted)) if unscored is None else unscored
    rows = np.flatnonzero(alerted)
    rows = rows[rows >= probation]
    outside = np.ones(len(rows), np.bool_)
    earned: list[float] = []
    for first, last in windows:
        inside = (rows >= first) & (rows <= last)
        outside &= ~inside
        if inside.any():
            position = (rows[inside][0] - last - 1) / (last - first + 1)
            earned.append(float(_sigmoid(position) / _sigmoid(-1.0)))
    spilled = _spilled(rows[outside], windows)
    return Tally(len(windows), len(earned), sum(earned), int(outside.sum()), float(spilled.sum()))


def total(tallies: Iterable[Tally]) -> Tally:
    """Return what the files of a corpus come to together."""
    return sum(tallies, Tally())


def _spilled(rows: NDArray[np.int64], windows: Sequence[Window]) -> NDArray[np.float64]:
    """Return what each alerted row outside the windows costs: least right behind a window."""
    costs = np.ones(len(rows))
    for first, last in windows:
        behind = rows > last
        widths = (rows[behind] - last) / max(last - first, 1)
        costs[behind] = np.where(widths > _FARTHEST, 1.0, -_sigmoid(np.minimum(widths, _FARTHEST)))
    return costs


def _sigmoid(position: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 far before a window's end, 0 at it, -1 far behind it."""
    return np.asarray(2.0 / (1.0 + np.exp(_STEEPNESS * np.asarray(position))) - 1.0)
