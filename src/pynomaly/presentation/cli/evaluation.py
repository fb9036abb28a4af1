"""What `pynomaly evaluate` compares, and on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pynomaly.application.quality.corpus import Corpus
from pynomaly.application.quality.labels import Labels, parse_labels
from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.domain.error import ConfigError, MissingInputError, Problem
from pynomaly.evaluation.comparison import Entry, compare, entry_of
from pynomaly.evaluation.contender import Contender, baselines, contender_of
from pynomaly.evaluation.history import (
    History,
    HistoryCorpus,
    JudgedSeries,
    judge_input,
    labelled_by_column,
    labelled_by_spans,
)
from pynomaly.presentation.cli.patience import say_if_long
from pynomaly.presentation.cli.spec_argument import files_of, reading
from pynomaly_connectors.corpora import open_corpus

_COLUMN: Final = "column:"
_DEFAULT: Final = "default detectors"


@dataclass(frozen=True, slots=True)
class Question:
    """Labelled records.

    Parameters
    ----------
    flow
        What reads them; None: files are read by their columns.
    labels
        A label file, or ``column:NAME``.
    on
        Files to read instead of the flow's input.
    columns
        What is what in them where there is no flow.
    """

    flow: FlowSpec | None
    labels: str | None
    on: str | None
    columns: Columns


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared on what.

    Parameters
    ----------
    corpus
        The series.
    entries
        What was under test first, baselines last.
    """

    corpus: Corpus
    entries: tuple[Entry, ...]


def contenders_of(
    flow: FlowSpec | None,
    detectors: Sequence[str],
    against: Sequence[str],
    levels: Mapping[str, float] | None,
    *,
    with_baselines: bool,
) -> tuple[Contender, ...]:
    """Return what is under test, what it is compared with, and the baselines, all with the same levels.

    Raises
    ------
    ConfigError
        When there is a flow and detectors or levels as well.
    """
    if flow is None:
        bars = None if levels is None else tuple(levels.items())
        tested = Contender(" ".join(detectors) or _DEFAULT, tuple(detectors), bars)
    else:
        given = {"--detector": detectors, "--level": levels}
        problems = [
            Problem(name, "must be left out with a flow, which has its own") for name, it in given.items() if it
        ]
        if problems:
            raise ConfigError(*problems)
        levels = {level.label: bar for level, bar in flow.levels.items()}
        tested = Contender.of_flow(flow)
    bars = None if levels is None else tuple(levels.items())
    others = [contender_of(text, bars) for text in against]
    return (tested, *others, *(baselines(levels) if with_baselines else ()))


def on_corpus(contenders: Sequence[Contender], kind: str, folder: Path, *, processes: int) -> Comparison:
    """Let contenders judge the series of a public corpus."""
    corpus = open_corpus(kind, folder)
    with say_if_long(f"judging {len(corpus.series())} series by {len(contenders)} contenders"):
        return Comparison(corpus, tuple(compare(contenders, corpus, processes=processes)))


def on_input(contenders: Sequence[Contender], question: Question) -> Comparison:
    """Let the first contender judge its input as its flow does, and the others the series found there.

    Raises
    ------
    ConfigError
        When labels are missing or wrong, or the input cannot be told.
    """
    tested, *others = contenders
    spec = _spec(tested, question)
    labels = read_labels(question.labels)
    with say_if_long(f"judging the input of {tested.name}"):
        history = judge_input(spec)
        judged = labelled(history, labels)
        corpus = HistoryCorpus(spec.flow, {name: one.series for name, one in judged.items()})
        entry = entry_of(
            tested, history.plan, [(judged[name].series, judged[name].judgement) for name in corpus.series()]
        )
        return Comparison(corpus, (entry, *compare(others, corpus, processes=1)))


def labelled(history: History, labels: Labels | str) -> dict[str, JudgedSeries]:
    """Give the series of a history their windows, by name.

    Raises
    ------
    ConfigError
        When it has no records, or the labels are of others.
    """
    if not history.series:
        raise ConfigError(Problem("input", "must hold records that can be judged, had none"))
    return labelled_by_column(history, labels) if isinstance(labels, str) else labelled_by_spans(history, labels)


def _spec(contender: Contender, question: Question) -> FlowSpec:
    """Return the flow whose input is judged."""
    flow = question.flow
    if flow is not None:
        return flow if question.on is None else reading(flow, files_of(flow, question.on))
    needed = {"--on": question.on, "--value": question.columns.values}
    problems = [
        Problem(name, "must be given with --detector and without a flow") for name, it in needed.items() if not it
    ]
    if problems:
        raise ConfigError(*problems)
    source = {"kind": "files", "path": question.on}
    levels = None if contender.levels is None else dict(contender.levels)
    return adhoc_flow(source, question.columns, contender.detectors, levels)


def read_labels(given: str | None) -> Labels | str:
    """Return the labels of a file, or the name of the column that has them."""
    if given is None:
        raise ConfigError(Problem("--labels", "must be given: a label file, or column:NAME"))
    if given.startswith(_COLUMN):
        return given.removeprefix(_COLUMN)
    path = Path(given)
    if path.suffix.lower() not in (".csv", ".json"):
        raise ConfigError(Problem("--labels", f"must end in .csv or .json, or be column:NAME, was {given!r}"))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MissingInputError(f"labels {given} must be a readable file, was not: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(Problem("--labels", f"must be UTF-8 text: {error.reason}")) from error
    return parse_labels(text, "csv" if path.suffix.lower() == ".csv" else "json")
