"""What `pynomaly search` prints: the best configuration, what it is worth elsewhere, and how much it matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Final, cast

from rich.table import Table

from pynomaly.application.quality.objective import Objective
from pynomaly.application.spec.variation import Value, Variation
from pynomaly.evaluation.search_result import QUANTILES, Promise
from pynomaly.presentation.cli.evaluation_json import plain
from pynomaly.presentation.cli.result import print_json, print_rich, printable
from pynomaly.presentation.cli.searching import Search, Searched

_NAMES: Final = {
    Objective.F1: "F1 of ranges at the alert levels",
    Objective.NAB: "NAB, standard profile",
    Objective.VUS_PR: "VUS-PR",
}


def print_search(found: Searched, asked: Search, written: Path | None, *, as_json: bool) -> None:
    """Print a search on standard output: as tables, or as one JSON object."""
    if as_json:
        print_json(_as_document(found, asked, written))
        return
    count = f"{found.series:,} series, {asked.trials:,} random configurations of {len(asked.variations)} options"
    print_rich(f"{printable(found.title)}: {count}; {_NAMES[asked.objective]}")
    print_rich("", _scores(found))
    print_rich("\nscores of the random configurations, each at its own levels", _quantiles(found))
    print_rich("\noptions", _options(found, asked.variations))
    if "alert.levels" in found.changes:
        print_rich(f"\nlowest level: {found.result.threshold}")
    if written is not None:
        print_rich(f"\nthe changed spec is in {printable(str(written))}")


def _scores(found: Searched) -> Table:
    result = found.result
    table = _table("score", "found by the search", "spec as it is")
    for promise in result.promises:
        table.add_row(promise.title, _spread(promise, result.objective), _number(promise.unchanged, result.objective))
    best, unchanged = (_number(score, result.objective) for score in (result.score, result.unchanged))
    table.add_row("chosen and scored on all labels (too good to expect)", best, unchanged)
    return table


def _quantiles(found: Searched) -> Table:
    table = _table("worst", "10 %", "25 %", "median", "75 %", "90 %", "best")
    table.add_row(*(_number(score, found.result.objective) for score in found.result.quantiles))
    return table


def _options(found: Searched, variations: Sequence[Variation]) -> Table:
    table = _table("key", "range", "best", "in the best tenth of the trials")
    for one in variations:
        best = found.result.trial.values.get(one.key)
        ends = _words(one.choices) if one.choices else f"{one.low:g} .. {one.high:g}"
        table.add_row(printable(one.key), ends, _word(best), _extent(one, found.result.best_values(one.key)))
    return table


def _extent(one: Variation, values: Sequence[Value]) -> str:
    if one.choices:
        return _words(tuple(dict.fromkeys(values)))
    numbers = cast("Sequence[float]", values)
    return f"{min(numbers):.4g} .. {max(numbers):.4g}"


def _words(values: Sequence[Value]) -> str:
    return ", ".join(_word(value) for value in values)


def _word(value: Value) -> str:
    if value is None:
        return "as it is"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _spread(promise: Promise, objective: Objective) -> str:
    score = _number(promise.score.mean, objective)
    return score if isnan(promise.score.sd) else f"{score} (sd {_number(promise.score.sd, objective)})"


def _number(number: float, objective: Objective) -> str:
    return "" if isnan(number) else f"{number:.{1 if objective is Objective.NAB else 3}f}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _as_document(found: Searched, asked: Search, written: Path | None) -> dict[str, object]:
    result = found.result
    document = {
        "input": found.title,
        "series": found.series,
        "objective": asked.objective.value,
        "trials": asked.trials,
        "seed": asked.seed,
        "held_out": [
            {
                "rule": one.title,
                "score": one.score.mean,
                "sd": one.score.sd,
                "unchanged": one.unchanged,
            }
            for one in result.promises
        ],
        "on_all_labels": {"score": result.score, "unchanged": result.unchanged},
        "quantiles": {f"{share:g}": score for share, score in zip(QUANTILES, result.quantiles, strict=True)},
        "changes": found.changes,
        "threshold": result.threshold,
        "all_trials": list(_trials(found)),
        "written": None if written is None else str(written),
    }
    return cast("dict[str, object]", plain(document))


def _trials(found: Searched) -> Iterator[dict[str, object]]:
    for trial, scores in zip(found.result.trials, found.result.scores.tolist(), strict=True):
        known = [score for score in scores if not isnan(score)]
        yield {"values": dict(trial.values), "score": scores[0], "best_score": max(known, default=None)}
