"""`pynomaly evaluate`: a flow or detectors against labels, with baselines beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pynomaly.presentation.cli.detect import TimeFormat, levels_of_options
from pynomaly.presentation.cli.parameter import AsJson


def evaluate(
    flow: Annotated[
        Path | None,
        typer.Argument(metavar="[FLOW]", help="Flow file (YAML); or give --detector.", show_default=False),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:OPTION=VALUE,…]",
            help="Detector instead of a flow, as for `pynomaly detect`; again for several parts of one contender.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=EVIDENCE",
            help="Evidence of an alert level of --detector, --against and the baselines; again for several.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DETECTORS",
            help="Compare with these detectors too, with blanks between them; again for several contenders.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|column:NAME",
            help="Label file (.csv or .json), or the column of the records that is not 0 where they are anomalous.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="FILES", help="File or glob to read instead of the flow's input.", show_default=False),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="With --detector: column to look at; again for several."),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="With --detector: column of the time.", show_default=False)
    ] = None,
    time_format: Annotated[
        TimeFormat,
        typer.Option(metavar="iso8601|s|ms|us|ns", help="With --detector: how times are written."),
    ] = TimeFormat.ISO8601,
    series: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="With --detector: column that tells series apart; again for several."),
    ] = None,
    corpus: Annotated[
        tuple[str, Path] | None,
        typer.Option(
            metavar="nab|smd|skab|adbench DIR",
            help="Judge the series of a public corpus in this folder instead, each from a cold start.",
            show_default=False,
        ),
    ] = None,
    choose_threshold: Annotated[
        bool,
        typer.Option(
            "--choose-threshold",
            help="Also score the threshold that is best on the labels, and thresholds chosen on other series.",
        ),
    ] = False,
    splits: Annotated[int, typer.Option(min=1, metavar="N", help="Random halves for --choose-threshold.")] = 20,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of these halves.")] = 0,
    no_baselines: Annotated[bool, typer.Option("--no-baselines", help="Leave the four baselines out.")] = False,
    each: Annotated[bool, typer.Option("--each", help="Print the figures of every series too.")] = False,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that share a corpus.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Say how good detection is: alerts and ranking against labels, with baselines beside them.

    The records go through the same engine as in a live flow, each judged by those before it. The score of the Numenta
    Anomaly Benchmark, ranges found, delay and false alerts are those of the alerts at the levels that the flow has;
    VUS and AUC are those of the ranking score. Beside every contender stand chance, the last value, the running range
    and a moving z-score, under the same calibration, levels and alert policy.
    """
    from pynomaly.application.quality.summary import Splits
    from pynomaly.application.spec.adhoc import Columns
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.environment import environment
    from pynomaly.presentation.cli.evaluation import Question, contenders_of, on_corpus, on_input
    from pynomaly.presentation.cli.evaluation_report import print_comparison
    from pynomaly.presentation.cli.spec_argument import leave_out

    spec = None if flow is None else load_flow(flow, environment())
    chosen = contenders_of(
        spec, detector or (), against or (), levels_of_options(level), with_baselines=not no_baselines
    )
    columns = Columns(tuple(value or ()), time, time_format.value, tuple(series or ()))
    if corpus is None:
        found = on_input(chosen, Question(spec, labels, on, columns))
    else:
        leave_out({"--labels": labels, "--on": on, "--value": value, "--time": time, "--series": series})
        found = on_corpus(chosen, *corpus, processes=jobs)
    print_comparison(found, Splits(splits, seed) if choose_threshold else None, each=each, as_json=as_json)
