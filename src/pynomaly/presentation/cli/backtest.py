"""`pynomaly backtest`: several specs on the same history."""

from __future__ import annotations

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


def backtest(
    spec: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC...", help="Flow files (.yaml), or lists of detectors with blanks between.", show_default=False
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
    apart: Annotated[
        int, typer.Option(min=0, metavar="N", help="Records of a series by which alerts of one event may be apart.")
    ] = 10,
    top: Annotated[int, typer.Option(min=0, metavar="N", help="Most events listed that only one spec found.")] = 20,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Draw the series on which the specs differ most there, as PNG.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what several specs alert of on the same history, and show what only one of them does.

    Every spec judges the same records in a run of its own, each record by those before it. Lists of detectors read
    what the first flow reads. Alerts close together are one event; an event is found by one spec only if no other
    alerted near it. Outputs, state and consumer groups of flows are not touched.
    """
    from pynomaly.application.spec.adhoc import Columns
    from pynomaly.presentation.backtest_picture import draw_backtest
    from pynomaly.presentation.cli.backtest_report import print_backtest
    from pynomaly.presentation.cli.backtesting import backtest_of_corpus, backtest_of_input
    from pynomaly.presentation.cli.spec_argument import Reading, leave_out, specs_of

    columns = Columns(tuple(value or ()), time, time_format.value, tuple(series or ()))
    reading = Reading(on, columns, levels_of_options(level))
    specs = specs_of(spec)
    if plot is not None:
        _check_folder(plot)
    if corpus is None:
        report = backtest_of_input(specs, reading, labels, apart)
    else:
        leave_out({"--labels": labels, "--on": on, "--value": value, "--time": time, "--series": series})
        report = backtest_of_corpus(specs, reading, *corpus, apart)
    written = () if plot is None else draw_backtest(report.backtest, plot)
    print_backtest(report, written, most_events=top, as_json=as_json)


def _check_folder(folder: Path) -> None:
    """Refuse what could not be drawn after all the work."""
    from pynomaly.domain.error import ConfigError, Problem
    from pynomaly.presentation.plot import check_plot

    check_plot(folder / "series.png")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(Problem("--plot", f"must be a folder, was the file {str(folder)!r}"))
