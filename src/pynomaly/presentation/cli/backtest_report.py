"""What `pynomaly backtest` prints: a row for each spec, how far they agree, and what only one of them found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Final

from rich.table import Table

from pynomaly.domain.event import AnomalyDetected
from pynomaly.domain.outcome import Level
from pynomaly.evaluation.backtest import Backtest, Backtested, LoneRange
from pynomaly.presentation.cli.backtest_json import as_document
from pynomaly.presentation.cli.backtesting import Report
from pynomaly.presentation.cli.evaluation_report import print_comparison
from pynomaly.presentation.cli.level_style import LEVEL_STYLES
from pynomaly.presentation.cli.result import print_json, print_rich, printable
from pynomaly_connectors.codecs.iso8601 import rfc3339

_LEVELS: Final = (Level.WATCH, Level.WARNING, Level.CRITICAL)
_MOST_PARTS: Final = 3
_LONGEST_NAME: Final = 40


def print_backtest(report: Report, written: Sequence[Path], *, most_events: int, as_json: bool) -> None:
    """Print a backtest on standard output.

    Parameters
    ----------
    report
        What was found.
    written
        Pictures that were drawn.
    most_events
        How many events are listed that only one spec found, the strongest ones; as JSON as well.
    as_json
        Print one JSON object instead of tables.
    """
    if as_json:
        print_json(as_document(report, written, most_events))
        return
    found = report.backtest
    print_rich(f"{printable(report.title)}: {len(found.series):,} series", "\nalerts", _alerts(found))
    if len(found.specs) > 1:
        print_rich("\nrecords that two specs alerted of, as a ratio of those that either did", _shared(found))
        print_rich(*_lone(found, most_events))
    if report.quality is not None:
        print_rich("\nagainst the labels")
        print_comparison(report.quality, None, each=False, as_json=False)
    if written:
        count = f"{len(written)} picture{'' if len(written) == 1 else 's'}"
        print_rich(f"\n{count} in {printable(str(written[0].parent))}")


def _alerts(found: Backtest) -> Table:
    has_clock = not isnan(found.specs[0].days)
    per_time = ("a day", "a series-day") if has_clock else ("in 10,000",)
    headings = [*(level.label for level in _LEVELS), *per_time, "events", "only here", "series that alerted"]
    table = _table("spec", *headings, "CPU s", "records a CPU s", "bytes a series")
    lone = [sum(one.spec == number for one in found.lone) for number in range(len(found.specs))]
    for spec, events, alone in zip(found.specs, found.ranges, lone, strict=True):
        table.add_row(printable(spec.name), *_alert_cells(spec, events, alone, has_clock=has_clock))
    return table


def _alert_cells(spec: Backtested, events: int, alone: int, *, has_clock: bool) -> Iterator[str]:
    total = spec.alerts.total()
    yield from (f"{spec.alerts[level]:,}" for level in _LEVELS)
    if has_clock:
        yield _ratio(total, spec.days)
        yield _ratio(total, spec.series_days)
    else:
        yield _ratio(1e4 * total, spec.records)
    yield f"{events:,}"
    yield f"{alone:,}"
    yield f"{spec.alerted_series:,} of {len(spec.series):,}"
    yield f"{spec.cpu_s:.2f}"
    yield f"{spec.records / spec.cpu_s:,.0f}" if spec.cpu_s > 0 else ""
    yield f"{spec.bytes_per_series:,}"


def _shared(found: Backtest) -> Table:
    numbers = range(len(found.specs))
    table = _table("spec", *(str(number + 1) for number in numbers))
    for one in numbers:
        cells = ("" if one == other else _number(found.shared(one, other)) for other in numbers)
        table.add_row(f"{one + 1} {printable(found.specs[one].name)}", *cells)
    return table


def _lone(found: Backtest, most: int) -> Iterator[str | Table]:
    if not found.lone:
        yield "\nevery event was found by more than one spec"
        return
    shown = found.lone[:most]
    yield f"\nevents that only one spec found: {len(found.lone):,}" + (
        f", the strongest {len(shown)}:" if len(shown) < len(found.lone) else ""
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("only", "series", "from", "alerts", "strongest"):
        table.add_column(heading, max_width=_LONGEST_NAME)
    for heading in ("value", "expected", "evidence"):
        table.add_column(heading, justify="right")
    table.add_column("level")
    table.add_column("found by")
    for one in shown:
        table.add_row(*_lone_cells(found, one), style=LEVEL_STYLES[one.strongest.level])
    yield table


def _lone_cells(found: Backtest, one: LoneRange) -> Iterator[str]:
    series = found.series[one.series].series
    has_clock, alert = series.time_ns is not None, one.strongest
    yield printable(found.specs[one.spec].name)
    yield printable(_tail(series.name))
    yield _moment(one.alerts[0], has_clock=has_clock)
    yield f"{len(one.alerts):,}"
    yield _moment(alert, has_clock=has_clock)
    parts = sorted((part for part in alert.parts if part.contribution > 0), key=lambda part: -part.contribution)
    field = (parts or alert.parts)[0].fields[0]
    value = f"{alert.values[field]:.6g}"
    yield f"{printable(field)} {value}" if len(alert.values) > 1 else value
    expected = alert.expected[field]
    yield "" if expected is None else f"{expected:.6g}"
    yield f"{alert.evidence:.2f}"
    yield alert.level.label
    yield printable(", ".join(f"{part.part} {part.contribution:.1f}" for part in parts[:_MOST_PARTS]))


def _tail(name: str) -> str:
    """Return the end of a long name: paths differ there."""
    return name if len(name) <= _LONGEST_NAME else f"…{name[-_LONGEST_NAME + 1 :]}"


def _moment(alert: AnomalyDetected, *, has_clock: bool) -> str:
    return rfc3339(alert.time_ns) if has_clock else str(alert.offset)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, max_width=60)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _ratio(count: float, size: float) -> str:
    return _number(count / size) if size > 0 else ""


def _number(number: float) -> str:
    return "" if isnan(number) else f"{number:,.3f}" if number < 1 else f"{number:,.2f}"
