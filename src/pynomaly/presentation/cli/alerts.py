"""`pynomaly alerts tail`: what a flow has alerted of, as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pynomaly.presentation.cli.environment import environment

if TYPE_CHECKING:
    from pynomaly.application.alert_reader import AlertReader
    from pynomaly.application.event_log import Start
    from pynomaly.application.spec.sink import SinkSpec
    from pynomaly.domain.event import AnomalyDetected

_EARLIEST: Final = "earliest"
_LATEST: Final = "latest"


class AlertLevel(StrEnum):
    """Least urgent alerts shown."""

    WATCH = "watch"
    WARNING = "warning"
    CRITICAL = "critical"


def tail_alerts(
    flow: Annotated[
        Path | None,
        typer.Argument(metavar="FLOW", help="Flow file whose output.alerts is read.", show_default=False),
    ] = None,
    topic: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read this topic instead of a flow's.", show_default=False)
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Kafka that has the topic.", show_default=False)
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="earliest|latest|TIME",
            help="Where to begin: with the first alert, the next one, or the event time (ISO 8601) of an alert; by "
            "default latest, with --until-end earliest.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Leave out repeats: what a flow wrote again after a crash.")
    ] = False,
    level: Annotated[
        AlertLevel, typer.Option(metavar="watch|warning|critical", help="Least urgent alerts shown.")
    ] = AlertLevel.WATCH,
    series: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Only series like this; * stands for anything.", show_default=False),
    ] = None,
    position: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep there what was shown, and go on from it the next time; --from counts the first time only.",
            show_default=False,
        ),
    ] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at the end that there is at the start.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print CloudEvents as JSON, one a line, instead of text.")
    ] = False,
) -> None:
    """Show the alerts of a flow as they come.

    They are read from where the flow writes them, a topic or a file; the flow need not run. A line may be shown again
    if the command is killed between showing it and keeping its position.
    """
    from pynomaly.infrastructure.telemetry.logs import configure_logs

    configure_logs("warning", "auto")
    sink = _sink(flow, topic, bootstrap)
    start = begin or (_EARLIEST if until_end else _LATEST)
    show = _json_lines if as_json else _text_lines
    wanted = _filter(level, series, _time_ns(start))
    with _reader(sink, position, start, once=once, until_end=until_end) as alerts:
        _follow(alerts, lambda found: show(filter(wanted, found)), position)


def _sink(flow: Path | None, topic: str | None, bootstrap: str | None) -> SinkSpec:
    """Return what is to be read.

    Raises
    ------
    ConfigError
        Unless a flow is given, or a topic and where it is.
    """
    from pynomaly.application.spec.parse_sink import parse_sink
    from pynomaly.domain.error import ConfigError, Problem
    from pynomaly.infrastructure.flow_file import load_flow

    if flow is not None and topic is None and bootstrap is None:
        return load_flow(flow, environment()).output.alerts
    if flow is None and topic is not None and bootstrap is not None:
        return parse_sink({"kind": "kafka", "topic": topic, "bootstrap": bootstrap})
    given = {"FLOW": flow, "--topic": topic, "--bootstrap": bootstrap}
    was = " and ".join(name for name, value in given.items() if value is not None) or "nothing"
    raise ConfigError(Problem("FLOW", f"must be given, or --topic and --bootstrap instead of it, was {was}"))


def _time_ns(start: str) -> int | None:
    """Return the event time from which alerts are shown; None: all."""
    from pynomaly.domain.error import ConfigError, Problem
    from pynomaly_connectors.codecs.iso8601 import iso_time_ns

    if start in {_EARLIEST, _LATEST}:
        return None
    time_ns = iso_time_ns(start)
    if time_ns is None:
        rule = f"must be {_EARLIEST}, {_LATEST} or a time such as 2026-03-01T12:00:00Z, was {start!r}"
        raise ConfigError(Problem("--from", rule))
    return time_ns


def _filter(least: AlertLevel, pattern: str | None, from_ns: int | None) -> Callable[[AnomalyDetected], bool]:
    from pynomaly.domain.outcome import Level

    lowest = Level[least.name]

    def wanted(alert: AnomalyDetected) -> bool:
        return (
            alert.level >= lowest
            and (pattern is None or fnmatchcase(alert.series, pattern))
            and (from_ns is None or alert.time_ns >= from_ns)
        )

    return wanted


def _reader(sink: SinkSpec, position: Path | None, start: str, *, once: bool, until_end: bool) -> AlertReader:
    from pynomaly.application.alert_reader import AlertReader, AlertReading
    from pynomaly.operations import event_log
    from pynomaly_connectors.codecs.cloudevents_reading import read_event

    saved = None if position is None or not position.exists() else position.read_bytes()
    begins: Start = "latest" if start == _LATEST else "earliest"  # a time is looked for from the beginning on
    reading = AlertReading(saved, begins, once=once, until_end=until_end)
    return AlertReader(event_log(sink), read_event, reading)


def _follow(alerts: AlertReader, show: Callable[[Iterable[AnomalyDetected]], None], position: Path | None) -> None:
    """Show what comes, and keep the position once it has been shown."""
    kept = None
    while True:
        found = alerts.poll()
        show(found)
        if position is not None and alerts.position != kept:
            kept = alerts.position
            _keep(position, kept)
        if alerts.at_end:
            return
        if not found:
            alerts.wait()


def _keep(path: Path, position: bytes) -> None:
    from pynomaly.domain.error import UnavailableError
    from pynomaly_connectors.files.draft import Draft

    try:
        with Draft(path) as draft:
            draft.write_bytes(position)
    except OSError as error:
        raise UnavailableError(f"{path} must be a file that can be written, was not: {error.strerror}") from error


def _text_lines(alerts: Iterable[AnomalyDetected]) -> None:
    from pynomaly.presentation.cli.result import results, standard_output
    from pynomaly_connectors.codecs.cloudevents import encode
    from pynomaly_connectors.terminal import alert_line

    console = results()
    with standard_output() as output:
        for alert in alerts:
            console.print(alert_line(encode(alert)), soft_wrap=True)
        output.flush()


def _json_lines(alerts: Iterable[AnomalyDetected]) -> None:
    from pynomaly.presentation.cli.result import standard_output
    from pynomaly_connectors.codecs.cloudevents import encode, structured

    with standard_output() as output:
        output.buffer.writelines(structured(encode(alert)) + b"\n" for alert in alerts)
        output.flush()
