"""Contenders on all series of a corpus, in several processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from pynomaly.application.quality.corpus import Corpus
from pynomaly.application.quality.trial import Judgement, LabelledSeries, SeriesQuality, measure
from pynomaly.domain.plan import ScoringPlan
from pynomaly.evaluation.bench import Bench, bench_for, policy_judge
from pynomaly.evaluation.contender import Contender


@dataclass(frozen=True, slots=True)
class Entry:
    """What a contender reached, series by series."""

    contender: Contender
    series: tuple[SeriesQuality, ...]


def compare(contenders: Sequence[Contender], corpus: Corpus, *, processes: int) -> list[Entry]:
    """Let every contender judge every series of a corpus; the result does not depend on the number of processes.

    Parameters
    ----------
    processes
        How many work at the same time; 1: this one alone.

    Raises
    ------
    PynomalyError
        When a contender cannot judge such series, or a series cannot be read.
    """
    names = corpus.series()
    for contender in contenders:
        _prepare(contender, corpus.read(names[0]))
    found = _each([(contender, corpus, name) for contender in contenders for name in names], processes)
    size = len(names)
    return [Entry(contender, tuple(found[n * size : (n + 1) * size])) for n, contender in enumerate(contenders)]


def entry_of(contender: Contender, plan: ScoringPlan, judged: Iterable[tuple[LabelledSeries, Judgement]]) -> Entry:
    """Return what a contender reached on series that its plan has judged already."""
    judge = policy_judge()
    return Entry(contender, tuple(measure(series, judgement, plan.common, judge) for series, judgement in judged))


_Task = tuple[Contender, Corpus, str]


def _each(tasks: Sequence[_Task], processes: int) -> list[SeriesQuality]:
    if processes == 1:
        return [_quality(task) for task in tasks]
    # Spawned, as all processes of this program are: a fork copies the threads' locks and not the threads.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_quality, tasks))


def _prepare(contender: Contender, series: LabelledSeries) -> None:
    """Find what is wrong before the work, and compile kernels once instead of in every process."""
    _bench(contender, series).judge(series.without_records())


def _quality(task: _Task) -> SeriesQuality:
    contender, corpus, name = task
    series = corpus.read(name)
    return _bench(contender, series).quality(series)


def _bench(contender: Contender, series: LabelledSeries) -> Bench:
    return bench_for(contender, series.fields, has_clock=series.time_ns is not None)
