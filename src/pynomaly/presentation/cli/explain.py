"""`pynomaly explain`: why one record alerted, or did not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pynomaly.presentation.cli.detect import FileFormat, TimeFormat, levels_of_options
from pynomaly.presentation.cli.parameter import AsJson


def explain_record(
    judged: Annotated[
        Path,
        typer.Argument(
            metavar="FLOW|FILE",
            help="Flow file (.yaml or .yml), or CSV or JSON lines as for `pynomaly detect`.",
            show_default=False,
        ),
    ],
    offset: Annotated[
        str | None,
        typer.Option(
            "--offset",
            "--row",
            metavar="[PARTITION:]N",
            help="The record at this offset of a topic, or in this row of a file, from 0; with its partition, or the "
            "end of its file's path, where there are several (3:1200, pump.csv:17).",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The first record with this event time or a later one (ISO 8601, no offset means UTC); with windows "
            "the first one that ends after it.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="SERIES", help="With --at: key of its series.", show_default=False)
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the series around the record there: .png, .svg or .pdf.", show_default=False
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Of FILE: column of numbers; again for several.", show_default=False),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of FILE: column of the time.", show_default=False)
    ] = None,
    time_format: Annotated[
        TimeFormat, typer.Option(metavar="iso8601|s|ms|us|ns", help="Of FILE: how times are written.")
    ] = TimeFormat.ISO8601,
    series: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="Of FILE: column that tells series apart; again for several.", show_default=False
        ),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:OPTION=VALUE,…]",
            help="For FILE: detector as for `pynomaly detect`; again for several. By default auto.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=EVIDENCE", help="For FILE: evidence of an alert level; again for several.", show_default=False
        ),
    ] = None,
    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", metavar="csv|jsonl", help="Of FILE; by default told from its suffix."),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHARACTER", help="Of FILE: column separator, or the word tab.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a record alerted or did not: what each part said, what each level asked for, what would have changed it.

    The input is replayed up to the record through the live flow's engine, so the answer is that of the live run; the
    flow's outputs, state and consumer group are not touched.
    """
    from pynomaly.application.spec.adhoc import Columns
    from pynomaly.presentation.cli.explanation_json import explanation_as_json
    from pynomaly.presentation.cli.explanation_report import print_explanation
    from pynomaly.presentation.cli.inquiry import Table, answer, flow_of, table_flow, wanted_of
    from pynomaly.presentation.cli.result import print_json

    columns = Columns(tuple(value or ()), time, time_format.value, tuple(series or ()))
    table = Table(columns, file_format, delimiter, tuple(detector or ()), levels_of_options(level))
    wanted = wanted_of(offset, at, key)
    is_flow = judged.suffix.lower() in (".yaml", ".yml")
    spec = flow_of(judged, table) if is_flow else table_flow(judged, table)
    explanation = answer(spec, wanted, picture)
    if as_json:
        print_json(explanation_as_json(explanation, spec))
    else:
        print_explanation(explanation, spec)
