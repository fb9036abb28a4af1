"""What `pynomaly search` searches, on what, and the changed spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pynomaly.application.quality.corpus import Corpus
from pynomaly.application.quality.fold import Cuts, time_cuts
from pynomaly.application.quality.objective import Objective
from pynomaly.application.quality.threshold import CANDIDATES
from pynomaly.application.quality.trial import at_threshold
from pynomaly.application.spec.alert import levels_of
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import NoTime
from pynomaly.application.spec.variation import Variation, changed
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.evaluation.contender import Contender, sections_of
from pynomaly.evaluation.history import HistoryCorpus, judge_input
from pynomaly.evaluation.search import Task, Trial, marks_of, trials_of
from pynomaly.evaluation.search_result import SearchResult, promise_in_time, promises_across
from pynomaly.infrastructure.flow_file import written_tree
from pynomaly.presentation.cli.evaluation import labelled, read_labels
from pynomaly.presentation.cli.patience import say_if_long
from pynomaly.presentation.cli.spec_argument import Reading, Spec, flows_of
from pynomaly.presentation.cli.writing import LineFile
from pynomaly_connectors.corpora import open_corpus


@dataclass(frozen=True, slots=True)
class Search:
    """How to search.

    Parameters
    ----------
    variations
        The options that vary.
    objective
        What to make as large as possible.
    trials, seed
        How many random configurations, and what tells them.
    choose_threshold
        Whether to choose the lowest level too, by trying others on the same evidence.
    processes
        How many work at the same time.
    """

    variations: tuple[Variation, ...]
    objective: Objective
    trials: int
    seed: int
    choose_threshold: bool
    processes: int

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Lowest levels that are tried beside a configuration's own."""
        return CANDIDATES if self.choose_threshold and self.objective.has_threshold else ()


@dataclass(frozen=True, slots=True)
class Searched:
    """A search and what it found.

    Parameters
    ----------
    title, series
        What was judged, and how many series there are.
    flow
        The configuration as it is, on such series.
    result
        What was found.
    """

    title: str
    series: int
    flow: FlowSpec
    result: SearchResult

    @property
    def changes(self) -> dict[str, object]:
        """What the best configuration changes in the flow, by keys with dots."""
        values: dict[str, object] = dict(self.result.trial.values)
        if self.result.threshold is None:
            return values
        policy = self.result.trial.contender.spec(self.flow.fields, has_clock=_has_clock(self.flow)).policy
        levels = levels_of(at_threshold(policy, self.result.threshold))
        return {**values, "alert.levels": {level.label: bar for level, bar in levels.items()}}


def search_input(spec: Spec, given: Reading, labels: str | None, folds: int, search: Search) -> Searched:
    """Search on labelled records, with folds in the order of time.

    Raises
    ------
    PynomalyError
        When the input, the labels, the spec or what varies are wrong.
    """
    flow = flows_of([spec], given)[spec.name]
    known = read_labels(labels)
    trials = _trials(flow, search)
    with say_if_long(f"judging the input by {len(trials)} configurations"):
        judged = labelled(judge_input(flow), known)
        corpus = HistoryCorpus(spec.name, {name: one.series for name, one in judged.items()})
        cuts = time_cuts([corpus.read(name) for name in corpus.series()], folds)
        marks = marks_of(trials, _task(corpus, cuts, search), processes=search.processes)
    fold = [number for _ in cuts for number in range(folds)]
    promises = (promise_in_time(marks, fold, search.objective),)
    result = SearchResult(tuple(trials), search.objective, search.thresholds, marks, promises)
    return Searched(str(getattr(flow.source, "path", spec.name)), len(judged), flow, result)


def search_corpus(spec: Spec, given: Reading, kind: str, folder: Path, splits: int, search: Search) -> Searched:
    """Search on a public corpus, with halves of its series and whole groups kept out."""
    corpus = open_corpus(kind, folder)
    if corpus.records == "table":
        raise ConfigError(Problem("--corpus", f"must have records in the order of time, was {kind}, a set of tables"))
    # Every configuration judges every series: they are read once.
    members = {name: corpus.read(name) for name in corpus.series()}
    first = next(iter(members.values()))
    flow = spec.contender(given.bars).spec(first.fields, has_clock=first.time_ns is not None)
    trials = _trials(flow, search)
    with say_if_long(f"judging {len(members)} series by {len(trials)} configurations"):
        task = _task(HistoryCorpus(corpus.name, members), [() for _ in members], search)
        marks = marks_of(trials, task, processes=search.processes)
    groups = [one.group for one in members.values()]
    promises = promises_across(marks, groups, search.objective, splits=splits, seed=search.seed)
    result = SearchResult(tuple(trials), search.objective, search.thresholds, marks, promises)
    return Searched(corpus.name, len(groups), flow, result)


def write_changed(spec: Spec, searched: Searched, path: Path) -> None:
    """Write the spec as the search would have it: a whole flow, or the sections that a list of detectors makes.

    Raises
    ------
    UnavailableError
        When the file cannot be written.
    """
    tree = sections_of(searched.flow) if spec.flow is None else written_tree(Path(spec.text))
    text = yaml.safe_dump(changed(tree, searched.changes), sort_keys=False, allow_unicode=True, width=120)
    with LineFile(path) as file:
        file.write(line.encode() for line in text.splitlines())


def _trials(flow: FlowSpec, search: Search) -> list[Trial]:
    def check(contender: Contender) -> None:
        contender.spec(flow.fields, has_clock=_has_clock(flow))

    return trials_of(sections_of(flow), search.variations, search.trials, search.seed, check)


def _has_clock(flow: FlowSpec) -> bool:
    return not isinstance(flow.record.time, NoTime)


def _task(corpus: Corpus, cuts: Sequence[Cuts], search: Search) -> Task:
    return Task(corpus, tuple(cuts), search.objective, search.thresholds)
