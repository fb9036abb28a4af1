"""A history cut in the order of time, never through a labelled window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.trial import LabelledSeries

Cuts = tuple[int, ...]
"""First rows of the folds of a series behind the first one, ascending; equal ones leave a fold empty."""


def time_cuts(series: Sequence[LabelledSeries], folds: int) -> list[Cuts]:
    """Cut all series at the same moments, such that the folds hold equally many records; without a clock by rows.

    What belongs to one fold happened, in all series, before what belongs to a later one. A window through which a cut
    would go belongs as a whole to the earlier fold.

    Parameters
    ----------
    series
        Either all with a clock, or all without.
    folds
        At least 1.
    """
    shares = np.arange(1, folds) / folds
    times = [one.time_ns for one in series if one.time_ns is not None]
    if len(times) < len(series) or not sum(map(len, times)):
        return [_behind_windows(one, (shares * len(one)).astype(np.int64)) for one in series]
    moments = np.quantile(np.concatenate(times), shares, method="lower")
    # Records may come out of order: what counts is the latest time seen so far, which only grows.
    return [
        _behind_windows(one, np.searchsorted(np.maximum.accumulate(time), moments))
        for one, time in zip(series, times, strict=True)
    ]


def _behind_windows(series: LabelledSeries, rows: NDArray[np.int64]) -> Cuts:
    cuts: list[int] = []
    for row in rows.tolist():
        within = (last + 1 for first, last in series.windows if first < row <= last)
        cuts.append(max(next(within, row), cuts[-1] if cuts else 0))
    return tuple(cuts)
