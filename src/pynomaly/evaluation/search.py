"""Random search over options of a flow: what each configuration is worth on each piece of a labelled history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.corpus import Corpus
from pynomaly.application.quality.fold import Cuts
from pynomaly.application.quality.nab import first_scored
from pynomaly.application.quality.objective import Objective
from pynomaly.application.quality.period import pattern_length
from pynomaly.application.quality.segment import Window, behind
from pynomaly.application.quality.trial import Judgement, LabelledSeries, Levels, at_threshold
from pynomaly.application.spec.variation import Value, Variation, changed
from pynomaly.domain.decision import Channel
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.evaluation.bench import bench_for, policy_judge
from pynomaly.evaluation.contender import Contender

Floats = NDArray[np.float64]
Check = Callable[[Contender], object]
"""Raises ConfigError for a contender that cannot run."""

#: Draws of a configuration whose options do not agree with each other, one after another, before the search gives up.
_MOST_DRAWS: Final = 200


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration: what is other than in the flow, and the contender that it makes."""

    values: Mapping[str, Value]
    contender: Contender


@dataclass(frozen=True, slots=True)
class Task:
    """What a configuration is measured by.

    Parameters
    ----------
    corpus
        The series.
    cuts
        Where each series is cut into pieces, in the order of their names.
    objective
        The score.
    thresholds
        Lowest levels that are tried on the evidence beside the configuration's own.
    """

    corpus: Corpus
    cuts: tuple[Cuts, ...]
    objective: Objective
    thresholds: tuple[float, ...] = ()


def trials_of(
    sections: Mapping[str, object], variations: Sequence[Variation], count: int, seed: int, check: Check
) -> list[Trial]:
    """Return the configuration as it is, and random ones.

    Parameters
    ----------
    sections
        What decides of the flow, as `sections_of` tells it.
    count
        How many configurations besides the one that is there.
    seed
        Tells the draws: the first trials of a longer search are those of a shorter one.

    Raises
    ------
    ConfigError
        When the flow refuses an end of a range, or nearly all that is drawn.
    """
    _check_extremes(sections, variations, check)
    random = np.random.default_rng(seed)
    drawn = [_trial(sections, {}, 0)]
    refused: list[Problem] = []
    while len(drawn) <= count:
        trial = _trial(sections, {one.key: one.draw(random) for one in variations}, len(drawn))
        try:
            check(trial.contender)
        except ConfigError as error:
            refused.extend(error.problems)
            if len(refused) > _MOST_DRAWS * len(drawn):
                raise ConfigError(
                    Problem("--vary", f"must leave values that agree, nearly all do not: {refused[0]}")
                ) from error
            continue
        drawn.append(trial)
    return drawn


def marks_of(trials: Sequence[Trial], task: Task, *, processes: int) -> Floats:
    """Return ``(trials, thresholds + 1, pieces, 4)`` what each piece adds to the objective.

    The first threshold is the configuration's own. Pieces are in the order of the series, and in each in that of time.
    """
    contenders = [trial.contender for trial in trials]
    if processes == 1:
        return np.stack([_marks(task, contender) for contender in contenders])
    _marks_of_nothing(task, contenders[0])
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return np.stack(list(pool.map(partial(_marks, task), contenders)))


def pieces(rows: int, cuts: Cuts) -> Iterator[tuple[int, int]]:
    """Yield the first row of each piece of a series, and the one behind its last."""
    yield from pairwise((0, *cuts, rows))


def _check_extremes(sections: Mapping[str, object], variations: Sequence[Variation], check: Check) -> None:
    problems: dict[Problem, None] = {}
    for one in variations:
        for value in one.extremes:
            try:
                check(_trial(sections, {one.key: value}, 0).contender)
            except ConfigError as error:
                problems.update(dict.fromkeys(error.problems))
    if problems:
        raise ConfigError(*problems)


def _trial(sections: Mapping[str, object], values: Mapping[str, Value], number: int) -> Trial:
    return Trial(values, Contender(f"trial {number}", sections=json.dumps(changed(sections, values))))


def _marks_of_nothing(task: Task, contender: Contender) -> None:
    """Compile kernels once instead of in every process."""
    series = task.corpus.read(task.corpus.series()[0])
    bench_for(contender, series.fields, has_clock=series.time_ns is not None).judge(series.without_records())


def _marks(task: Task, contender: Contender) -> Floats:
    found: list[Floats] = []
    for name, cuts in zip(task.corpus.series(), task.cuts, strict=True):
        series = task.corpus.read(name)
        bench = bench_for(contender, series.fields, has_clock=series.time_ns is not None)
        found.extend(_of_series(task, series, bench.judge(series), bench.plan.common, cuts))
    return np.stack(found, axis=1)


def _of_series(
    task: Task, series: LabelledSeries, judgement: Judgement, channel: Channel, cuts: Cuts
) -> Iterator[Floats]:
    """Yield ``(t, 4)`` marks of each piece."""
    levels = list(_levels(task, judgement, channel))
    longest = pattern_length(series.values[:, 0]) if task.objective is Objective.VUS_PR else 0
    scores = np.nan_to_num(judgement.ranking_score)
    for begin, end in pieces(len(series), cuts):
        windows = _within(series.windows, begin, end)
        if task.objective is Objective.VUS_PR:
            ranked = max(begin, min(series.ranked_from, end))
            own = behind(windows, ranked - begin)
            yield task.objective.marks_of_ranking(scores[ranked:end], own, longest)[None]
        else:
            unscored = max(first_scored(len(series)) - begin, 0)
            marks = [task.objective.marks_of_alerts(level[begin:end] > 0, windows, unscored) for level in levels]
            yield np.stack(marks)


def _levels(task: Task, judgement: Judgement, channel: Channel) -> Iterator[Levels]:
    yield judgement.level
    judge = policy_judge()
    for lowest in task.thresholds:
        yield judge(judgement.evidence, replace(channel, policy=at_threshold(channel.policy, lowest)))


def _within(windows: Sequence[Window], begin: int, end: int) -> tuple[Window, ...]:
    """Return the windows of a piece, counted from its first row; none goes through a cut."""
    return tuple((first - begin, last - begin) for first, last in windows if begin <= first < end)
