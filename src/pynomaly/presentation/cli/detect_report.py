"""What `pynomaly detect` prints: the counts, and the strongest alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from pynomaly.domain.event import AnomalyDetected
from pynomaly.presentation.cli.counts import counts_as_json, counts_lines
from pynomaly.presentation.cli.detection import Detection
from pynomaly.presentation.cli.level_style import LEVEL_STYLES
from pynomaly.presentation.cli.result import print_json, print_rich, printable
from pynomaly_connectors.codecs.iso8601 import rfc3339


def print_detection(detection: Detection, written: Mapping[str, str], *, as_json: bool) -> None:
    """Print the report on standard output.

    Parameters
    ----------
    detection
        What was found.
    written
        Files that were written, by what they hold.
    as_json
        Print one JSON object instead.
    """
    if as_json:
        print_json(_as_json(detection, written))
        return
    print_rich("\n".join(_lines(detection, written)))
    if detection.alerts:
        print_rich("", _table(detection))


def _lines(detection: Detection, written: Mapping[str, str]) -> Iterator[str]:
    totals = detection.totals
    yield from counts_lines(str(getattr(detection.spec.source, "path", detection.spec.flow)), totals, detection.seconds)
    for what, path in written.items():
        yield f"  {what:<10} {path}"
    shown = len(detection.alerts)
    if 0 < shown < totals.alert_count:
        yield f"\nthe strongest {shown} of {totals.alert_count:,} alerts:"


def _table(detection: Detection) -> Table:
    table = Table(box=None, pad_edge=False)
    headings = ["time" if detection.columns.has_clock else "row"]
    headings += ["series"] if detection.columns.series else []
    for heading in headings:
        table.add_column(heading)
    for heading in ("value", "expected"):
        table.add_column(heading, justify="right")
    table.add_column("level")
    table.add_column("evidence", justify="right")
    table.add_column("found by", no_wrap=True)
    for alert in detection.alerts:
        table.add_row(*_cells(alert, detection), style=LEVEL_STYLES[alert.level])
    return table


def _cells(alert: AnomalyDetected, detection: Detection) -> Iterator[str]:
    yield rfc3339(alert.time_ns) if detection.columns.has_clock else str(alert.offset)
    if detection.columns.series:
        yield printable(alert.series)
    field, *further = _telling_fields(alert)
    several = len(detection.spec.record.values) > 1
    value = f"{alert.values[field]:.6g}"
    if further:
        yield f"{1 + len(further)} fields together"
        yield ""
    else:
        yield f"{printable(field)} {value}" if several else value
        yield _number(alert.expected[field])
    yield alert.level.label
    yield f"{alert.evidence:.2f}"
    parts = sorted((part for part in alert.parts if part.contribution > 0), key=lambda part: -part.contribution)
    yield ", ".join(f"{part.part.removesuffix(f':{field}')} {part.contribution:.1f}" for part in parts[:3])


def _telling_fields(alert: AnomalyDetected) -> tuple[str, ...]:
    """Return what the strongest part of an alert looked at."""
    return max(alert.parts, key=lambda part: part.contribution).fields


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"


def _as_json(detection: Detection, written: Mapping[str, str]) -> dict[str, object]:
    return {
        **counts_as_json(detection.spec.flow, detection.spec.fingerprint(), detection.totals, detection.seconds),
        "written": dict(written),
        "strongest_alerts": [_alert_as_json(alert, detection) for alert in detection.alerts],
    }


def _alert_as_json(alert: AnomalyDetected, detection: Detection) -> dict[str, object]:
    return {
        "id": alert.id,
        "row": alert.offset,
        "time": rfc3339(alert.time_ns) if detection.columns.has_clock else None,
        "series": alert.series,
        "level": alert.level.label,
        "evidence": alert.evidence,
        "values": alert.values,
        "expected": alert.expected,
        "parts": {part.part: part.contribution for part in alert.parts},
    }
