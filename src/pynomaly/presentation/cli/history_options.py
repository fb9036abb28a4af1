"""Options of the commands that look at a history: what its records are, and which of them are anomalous."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pynomaly.presentation.cli.detect import TimeFormat

Levels = Annotated[
    list[str] | None,
    typer.Option(
        "--level",
        metavar="NAME=EVIDENCE",
        help="Evidence of an alert level of SPECs that are lists of detectors; again for several.",
        show_default=False,
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="FILE|column:NAME",
        help="Label file (.csv or .json), or the column of the records that is not 0 where they are anomalous.",
        show_default=False,
    ),
]
OnFiles = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="FILES",
        help="File or glob to read; by default the input of the first SPEC that is a flow file.",
        show_default=False,
    ),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="COLUMN",
        help="Without a flow file: column to look at; again for several.",
        show_default=False,
    ),
]
TimeColumn = Annotated[
    str | None,
    typer.Option("--time", metavar="COLUMN", help="With --value: column of the time.", show_default=False),
]
TimeFormatOption = Annotated[
    TimeFormat,
    typer.Option("--time-format", metavar="iso8601|s|ms|us|ns", help="With --value: how times are written."),
]
SeriesColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--series",
        metavar="COLUMN",
        help="With --value: column that tells series apart; again for several.",
        show_default=False,
    ),
]
CorpusOption = Annotated[
    tuple[str, Path] | None,
    typer.Option(
        "--corpus",
        metavar="nab|smd|skab|adbench DIR",
        help="Judge the series of a public corpus in this folder instead, each from a cold start.",
        show_default=False,
    ),
]
