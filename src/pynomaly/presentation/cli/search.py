"""`pynomaly search`: other values of a spec's options, chosen on labels and scored where they were not chosen."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pynomaly.presentation.cli.detect import TimeFormat, levels_of_options
from pynomaly.presentation.cli.history_options import (
    CorpusOption,
    LabelsOption,
    Levels,
    OnFiles,
    SeriesColumns,
    TimeColumn,
    TimeFormatOption,
    Values,
)
from pynomaly.presentation.cli.parameter import AsJson


class ObjectiveName(StrEnum):
    """What to make large."""

    F1 = "f1"
    NAB = "nab"
    VUS_PR = "vus-pr"


def search(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC", help="Flow file (.yaml), or a list of detectors with blanks between.", show_default=False
        ),
    ],
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=LOW..HIGH[:log]|KEY=A|B|C",
            help="Option that varies, by its place in the flow, such as detectors.0.half_life=100..10000:log or "
            "alert.levels.watch=1.5..4.0; of whole ends only whole numbers; again for several.",
            show_default=False,
        ),
    ],
    on: OnFiles = None,
    corpus: CorpusOption = None,
    labels: LabelsOption = None,
    level: Levels = None,
    value: Values = None,
    time: TimeColumn = None,
    time_format: TimeFormatOption = TimeFormat.ISO8601,
    series: SeriesColumns = None,
    objective: Annotated[
        ObjectiveName,
        typer.Option(
            metavar="f1|nab|vus-pr",
            help="What to make large: F1 of ranges at the alert levels, NAB's standard score, or VUS-PR.",
        ),
    ] = ObjectiveName.F1,
    choose_threshold: Annotated[
        bool,
        typer.Option("--choose-threshold", help="Choose the lowest alert level too, on each trial's evidence."),
    ] = False,
    trials: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="Random configurations.")] = 50,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of all that is random.")] = 0,
    folds: Annotated[int, typer.Option(min=2, max=100, metavar="K", help="Parts of the history, in time.")] = 5,
    splits: Annotated[int, typer.Option(min=1, metavar="N", help="With --corpus: random halves of its series.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that share the work.")] = 2,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the changed spec there (YAML; without comments).", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search a spec's options for values that find more of what is labelled, and say what that is worth.

    Random configurations judge the history, each record by those before it. A score on the labels that chose the
    configuration is too good to be true; so each part of the history is also scored under what was best on all earlier
    parts, and with --corpus each half of the series under what was best on the other half, each group under what was
    best on all others. These are the figures to expect.
    """
    from pynomaly.application.quality.objective import Objective
    from pynomaly.application.spec.adhoc import Columns
    from pynomaly.application.spec.variation import variation
    from pynomaly.presentation.cli.search_report import print_search
    from pynomaly.presentation.cli.searching import Search, search_corpus, search_input, write_changed
    from pynomaly.presentation.cli.spec_argument import Reading, leave_out, specs_of

    columns = Columns(tuple(value or ()), time, time_format.value, tuple(series or ()))
    reading = Reading(on, columns, levels_of_options(level))
    asked = Search(tuple(map(variation, vary)), Objective(objective.value), trials, seed, choose_threshold, jobs)
    subject = specs_of([spec])[0]
    if corpus is None:
        found = search_input(subject, reading, labels, folds, asked)
    else:
        leave_out({"--labels": labels, "--on": on, "--value": value, "--time": time, "--series": series})
        found = search_corpus(subject, reading, *corpus, splits, asked)
    if output is not None:
        write_changed(subject, found, output)
    print_search(found, asked, output, as_json=as_json)
