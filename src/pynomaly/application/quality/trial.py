"""One series with labels, what a contender said of it, and how good that was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.alerting import AlertTally, alert_tally
from pynomaly.application.quality.curve import Areas, areas
from pynomaly.application.quality.nab import Tally, tally
from pynomaly.application.quality.period import pattern_length
from pynomaly.application.quality.segment import Window, behind, covered
from pynomaly.application.quality.threshold import CANDIDATES, Choice
from pynomaly.application.quality.volume import Volumes, volumes
from pynomaly.domain.alert_policy import AlertPolicyOptions
from pynomaly.domain.decision import Channel

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]
Judge = Callable[[Floats, Channel], Levels]
"""Evidence of a series -> levels of its alerts, by the rules of a channel."""

_LEVELS: Final = ("watch", "warning", "critical")


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """``n`` records of one series, and which of them are anomalous.

    Parameters
    ----------
    name
        Unique in its corpus.
    group
        What it is kin to: a folder, a kind.
    fields
        Names of the ``d`` values.
    time_ns
        ``(n,)`` event time; None without a clock [ns].
    values
        ``(n, d)`` finite.
    windows
        Labelled windows, in order and apart from each other.
    ranked_from
        First row whose ranking counts: those before only teach.
    """

    name: str
    group: str
    fields: tuple[str, ...]
    time_ns: NDArray[np.int64] | None
    values: Floats
    windows: tuple[Window, ...]
    ranked_from: int = 0

    def __len__(self) -> int:
        return len(self.values)

    def without_records(self) -> LabelledSeries:
        """Return a series of the same shape that is empty."""
        none = None if self.time_ns is None else self.time_ns[:0]
        return replace(self, time_ns=none, values=self.values[:0], windows=())


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a contender said of a series' ``n`` records.

    Parameters
    ----------
    evidence, ranking_score
        ``(n,)`` NaN where unknown.
    level
        ``(n,)`` level of each alert; 0 where there is none.
    """

    evidence: Floats
    ranking_score: Floats
    level: Levels


@dataclass(frozen=True, slots=True)
class SeriesQuality:
    """How good a contender was on one series.

    Parameters
    ----------
    name, group
        Of the series.
    alerts
        Its alerts against the windows.
    nab
        The same as the Numenta Anomaly Benchmark counts it.
    choice
        The same at each threshold of `CANDIDATES`.
    volumes, areas
        How well `ranking_score` ranks its records; unknown ones rank lowest, as 0.
    """

    name: str
    group: str
    alerts: AlertTally
    nab: Tally
    choice: Choice
    volumes: Volumes
    areas: Areas


def measure(series: LabelledSeries, judgement: Judgement, common: Channel, judge: Judge) -> SeriesQuality:
    """Compare what was said of a series with its labels; costs about 0.2 s for 20,000 records.

    Parameters
    ----------
    common
        What judged it; its policy is tried with other thresholds, on the evidence of its other channels too.
    judge
        Applies a policy to a history of evidence.
    """
    scores = np.nan_to_num(judgement.ranking_score[series.ranked_from :])
    windows = behind(series.windows, series.ranked_from)
    length = pattern_length(series.values[:, 0])
    return SeriesQuality(
        name=series.name,
        group=series.group,
        alerts=alert_tally(judgement.level > 0, series.windows, series.time_ns),
        nab=tally(judgement.level > 0, series.windows),
        choice=tuple(
            tally(judge(judgement.evidence, changed) > 0, series.windows)
            for changed in (replace(common, policy=at_threshold(common.policy, lowest)) for lowest in CANDIDATES)
        ),
        volumes=volumes(scores, windows, length),
        areas=areas(scores, covered(windows, len(scores))),
    )


def at_threshold(policy: AlertPolicyOptions, lowest: float) -> AlertPolicyOptions:
    """Return a policy whose lowest level begins at another evidence; levels that are not above it go."""
    given = [(name, getattr(policy, name)) for name in _LEVELS]
    used = [(name, bar) for name, bar in given if bar is not None]
    kept = {name: bar for name, bar in used[1:] if bar > lowest}
    return replace(policy, **{**dict.fromkeys(_LEVELS), **kept, used[0][0]: lowest})
