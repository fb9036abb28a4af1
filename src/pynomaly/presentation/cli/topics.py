"""`pynomaly topics create`: the topics of a flow, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile

if TYPE_CHECKING:
    from pynomaly.application.topics import TopicReport


def create_topics(
    flow: FlowFile,
    with_input: Annotated[bool, typer.Option("--input", help="Make the topic that the flow reads as well.")] = False,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            metavar="N",
            help="Partitions of the input and of its copies; by default 4.",
            show_default=False,
        ),
    ] = None,
    replication: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, metavar="N", help="Copies of each partition; by default the brokers'.", show_default=False
        ),
    ] = None,
    retention_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=36_500,
            metavar="DAYS",
            help="How long records stay; by default input and copies 7, alerts 90, dead letters and late records 30.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made; make nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the topics that a flow names and that do not exist yet; never change one that does.

    Of an existing topic it says in what it differs. Outputs get one partition, so that all alerts stand in one order;
    with three copies or more two must be in sync.
    """
    from pynomaly.application.topics import TopicOptions
    from pynomaly.application.topics import create_topics as create
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.operations import needed_topics_of
    from pynomaly.presentation.cli.result import print_json, print_text

    needed = needed_topics_of(load_flow(flow, environment()), with_input=with_input)
    options = TopicOptions(replication, partitions, retention_days)
    reports = create(needed, options, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "topics": [_as_json(report) for report in reports]})
        return
    told = False
    for report in reports:
        print_text(_line(report))
        told = True
    if not told:
        print_text("no topics: no output of the flow goes to one")


def _line(report: TopicReport) -> str:
    from pynomaly.application.topics import State

    wish = report.wish
    shape = f"{wish.partitions} partitions, replication {wish.replication}"
    texts = {
        State.CREATED: f"created, {shape}",
        State.MISSING: f"would be created, {shape}",
        State.EXISTS: "exists" + "".join(f"; {difference}" for difference in report.differences),
    }
    return f"{report.role.replace('_', ' '):<12}  {wish.name} ({report.where}): {texts[report.state]}"


def _as_json(report: TopicReport) -> dict[str, object]:
    return {
        "role": report.role,
        "topic": report.wish.name,
        "cluster": report.where,
        "state": report.state.value,
        "partitions": report.wish.partitions,
        "replication": report.wish.replication,
        "settings": dict(report.wish.settings),
        "differences": list(report.differences),
    }
