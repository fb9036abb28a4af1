"""What a contender reached on many series together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from pynomaly.application.quality.alerting import AlertTally
from pynomaly.application.quality.nab import PROFILES, Profile, total
from pynomaly.application.quality.threshold import CANDIDATES, Spread, best, cross_validated, left_out
from pynomaly.application.quality.trial import SeriesQuality


@dataclass(frozen=True, slots=True)
class Splits:
    """How series are divided to choose a threshold on some and score the others."""

    count: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True)
class NabScore:
    """The score of the Numenta Anomaly Benchmark under one profile; 100 is perfect, 0 is silence.

    Parameters
    ----------
    built_in
        At the levels that the contender has.
    chosen, threshold
        At the one threshold that is best on these very labels, as the benchmark does it, and that threshold.
    halves
        Threshold chosen on half of the series, the other half scored; None where it was not asked for, or for want of
        series.
    left_out
        Threshold chosen on all groups but one, that one scored; NaN where there is one group only.
    """

    built_in: float
    chosen: float = nan
    threshold: float = nan
    halves: Spread | None = None
    left_out: float = nan


@dataclass(frozen=True, slots=True)
class Summary:
    """Means and sums over series.

    Parameters
    ----------
    alerts
        All alerts against all windows.
    nab
        Score by profile; empty where no window is labelled.
    false_rows
        Alerts that the benchmark counts as false: those outside windows, behind the first rows of each series.
    vus_pr, vus_roc, auc_pr, auc_roc
        Means over the series in which they are defined; NaN where there is none.
    ranked
        How many series that is.
    """

    alerts: AlertTally
    nab: dict[str, NabScore]
    false_rows: int
    vus_pr: float
    vus_roc: float
    auc_pr: float
    auc_roc: float
    ranked: int


def summary(series: Sequence[SeriesQuality], splits: Splits | None = None) -> Summary:
    """Summarise the quality on some series.

    Parameters
    ----------
    splits
        How thresholds are chosen; None: the built-in ones only.
    """
    together = total(one.nab for one in series)
    scored = {name: _nab_score(series, profile, splits) for name, profile in PROFILES.items()}
    return Summary(
        alerts=sum((one.alerts for one in series), AlertTally()),
        nab=scored if together.windows else {},
        false_rows=together.false_rows,
        vus_pr=_mean(one.volumes.pr for one in series),
        vus_roc=_mean(one.volumes.roc for one in series),
        auc_pr=_mean(one.areas.pr for one in series),
        auc_roc=_mean(one.areas.roc for one in series),
        ranked=sum(not isnan(one.areas.pr) for one in series),
    )


def _nab_score(series: Sequence[SeriesQuality], profile: Profile, splits: Splits | None) -> NabScore:
    together = total(one.nab for one in series)
    built_in = together.score(profile) if together.windows else nan
    if splits is None or not together.windows:
        return NabScore(built_in)
    choices, groups = [one.choice for one in series], [one.group for one in series]
    index = best(choices, profile)
    return NabScore(
        built_in,
        total(choice[index] for choice in choices).score(profile),
        CANDIDATES[index],
        cross_validated(choices, profile, splits=splits.count, seed=splits.seed) if len(series) > 1 else None,
        left_out(choices, groups, profile) if len(set(groups)) > 1 else nan,
    )


def _mean(numbers: Iterable[float]) -> float:
    known = [number for number in numbers if not isnan(number)]
    return float(np.mean(known)) if known else nan
