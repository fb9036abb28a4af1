"""`pynomaly detect`: try a file, without a flow."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pynomaly.presentation.cli.parameter import AsJson


class FileFormat(StrEnum):
    """How records are written."""

    CSV = "csv"
    JSONL = "jsonl"


class TimeFormat(StrEnum):
    """How times are written."""

    ISO8601 = "iso8601"
    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


def detect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON lines, possibly .gz.", show_default=False)],
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of numbers to look at; again for several. Without it the columns are guessed, those of time "
            "and series too.",
            show_default=False,
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of the time; without it rows are only numbered.", show_default=False
        ),
    ] = None,
    time_format: Annotated[
        TimeFormat,
        typer.Option(
            metavar="iso8601|s|ms|us|ns",
            help="ISO 8601 text (no offset means UTC), or a number since 1970 in that unit.",
        ),
    ] = TimeFormat.ISO8601,
    series: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column that tells series apart; again for several.", show_default=False),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:OPTION=VALUE,…]",
            help="Detector with its options, river/CLASS or pyod/CLASS; again for several; fields=A+B for some columns "
            "only. By default auto.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=EVIDENCE",
            help="Evidence of an alert level; again for several. By default watch=2.3 (of auto without --time 1.7), "
            "warning=4 and critical=6.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the outcome of every record there: .csv, .jsonl or .parquet.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw values and alerts there: .png, .svg or .pdf.", show_default=False),
    ] = None,
    file_format: Annotated[
        FileFormat | None,
        typer.Option(
            "--format",
            metavar="csv|jsonl",
            help="Format of the file; by default told from its suffix: .csv, .tsv, .jsonl or .ndjson.",
            show_default=False,
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            metavar="CHARACTER",
            help="Column separator of CSV, or the word tab; by default what the name row has most of: commas, "
            "semicolons, tabs or bars.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=0, metavar="N", help="Most alerts listed; the strongest ones.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Find anomalies in a file: the same rules and engine as a flow, nothing to set up, nothing kept.

    Every record is judged by what came before it. The first 150 or so of each series only teach.
    """
    from pynomaly.application.spec.adhoc import Columns, adhoc_flow
    from pynomaly.presentation.cli.detect_input import file_source, guessed_columns
    from pynomaly.presentation.cli.detect_report import print_detection
    from pynomaly.presentation.cli.detection import Detection, run_detection
    from pynomaly.presentation.cli.result import printable, remarks

    source = file_source(str(file), file_format, delimiter)
    columns = Columns(tuple(value or ()), time, time_format.value, tuple(series or ()))
    if not value:
        columns, said = guessed_columns(source, columns)
        remarks().print(printable(said))
    if not columns.has_clock:
        source["decoder"] = "portable"  # the fast one takes every record to have a time
    spec = adhoc_flow(source, columns, detector or (), levels_of_options(level))
    _check_files(output, plot)
    detection = Detection(spec, columns, most_alerts=top)
    run_detection(detection, output, plot)
    print_detection(detection, _written(output, plot), as_json=as_json)
    if detection.hint is not None:
        remarks().print(detection.hint)


def levels_of_options(given: Sequence[str] | None) -> dict[str, float] | None:
    """Read ``NAME=EVIDENCE``, which names there are the flow knows; None where nothing is given.

    Raises
    ------
    ConfigError
        When one of them has no number.
    """
    from pynomaly.domain.error import ConfigError, Problem

    if not given:
        return None
    levels: dict[str, float] = {}
    for text in given:
        name, _, evidence = text.partition("=")
        try:
            levels[name.strip()] = float(evidence)
        except ValueError:
            raise ConfigError(Problem("--level", f"must be NAME=EVIDENCE, such as watch=3, was {text!r}")) from None
    return levels


def _check_files(output: Path | None, plot: Path | None) -> None:
    """Refuse what could not be written after all the work."""
    from pynomaly.presentation.plot import check_plot
    from pynomaly_connectors.files.outcome_file import check_suffix

    if output is not None:
        check_suffix(output)
    if plot is not None:
        check_plot(plot)


def _written(output: Path | None, plot: Path | None) -> dict[str, str]:
    return {name: str(path) for name, path in (("outcomes", output), ("plot", plot)) if path is not None}
