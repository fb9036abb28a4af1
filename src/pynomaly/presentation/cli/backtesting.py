"""What `pynomaly backtest` compares, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pynomaly.evaluation.backtest import Backtest, Backtested, backtest_corpus, backtest_input
from pynomaly.evaluation.comparison import Entry, entry_of
from pynomaly.evaluation.contender import Contender
from pynomaly.evaluation.history import History, HistoryCorpus
from pynomaly.presentation.cli.evaluation import Comparison, labelled, read_labels
from pynomaly.presentation.cli.patience import say_if_long
from pynomaly.presentation.cli.spec_argument import Reading, Spec, flows_of
from pynomaly_connectors.corpora import open_corpus


@dataclass(frozen=True, slots=True)
class Report:
    """What a backtest found.

    Parameters
    ----------
    title
        What was judged.
    backtest
        What each spec made of it.
    quality
        The same against labels; None where there are none.
    """

    title: str
    backtest: Backtest
    quality: Comparison | None


def backtest_of_input(specs: Sequence[Spec], given: Reading, labels: str | None, reach: int) -> Report:
    """Let specs judge the same files, or the input of the first flow.

    Raises
    ------
    PynomalyError
        When the input, the labels or a spec are wrong.
    """
    flows = flows_of(specs, given)
    known = None if labels is None else read_labels(labels)
    with say_if_long(f"judging the input by {len(flows)} specs"):
        found = backtest_input(flows, reach)
    source = next(iter(flows.values())).source
    title = str(getattr(source, "path", None) or getattr(source, "topic", None) or source.kind)
    if known is None:
        return Report(title, found, None)
    told = [
        replace(spec, series={place: by_name[one.series.name] for place, one in spec.series.items()})
        for spec, flow in zip(found.specs, flows.values(), strict=True)
        for by_name in [labelled(History(flow, spec.plan, spec.series), known)]
    ]
    return Report(title, Backtest(tuple(told), reach), _quality(title, told))


def backtest_of_corpus(specs: Sequence[Spec], given: Reading, kind: str, folder: Path, reach: int) -> Report:
    """Let specs judge the series of a public corpus."""
    corpus = open_corpus(kind, folder)
    with say_if_long(f"judging {len(corpus.series())} series by {len(specs)} specs"):
        found = backtest_corpus([spec.contender(given.bars) for spec in specs], corpus, reach)
    return Report(corpus.name, found, _quality(corpus.name, found.specs))


def _quality(title: str, specs: Sequence[Backtested]) -> Comparison:
    """Compare what each spec said with the labels of its series."""
    first = HistoryCorpus(title, {one.series.name: one.series for one in specs[0].series.values()})
    return Comparison(first, tuple(_entry(spec) for spec in specs))


def _entry(spec: Backtested) -> Entry:
    judged = sorted(spec.series.values(), key=lambda one: one.series.name)
    return entry_of(Contender(spec.name), spec.plan, ((one.series, one.judgement) for one in judged))
