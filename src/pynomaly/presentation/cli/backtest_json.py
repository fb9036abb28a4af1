"""A backtest as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pynomaly.domain.event import AnomalyDetected
from pynomaly.domain.outcome import Level
from pynomaly.evaluation.backtest import Backtest, Backtested, LoneRange
from pynomaly.presentation.cli import evaluation_json
from pynomaly.presentation.cli.backtesting import Report
from pynomaly.presentation.cli.evaluation_json import plain
from pynomaly_connectors.codecs.iso8601 import rfc3339


def as_document(report: Report, written: Sequence[Path], most_events: int) -> dict[str, object]:
    """Return the document; figures that are not known are null."""
    found, numbers = report.backtest, range(len(report.backtest.specs))
    return {
        "input": report.title,
        "series": len(found.series),
        "apart_records": found.reach,
        "specs": [_spec(found, number) for number in numbers],
        "shared_ratio": [
            [None if one == other else plain(found.shared(one, other)) for other in numbers] for one in numbers
        ],
        "only_one_total": len(found.lone),
        "only_one": [_lone(found, one) for one in found.lone[:most_events]],
        "quality": None if report.quality is None else evaluation_json.as_document(report.quality, None),
        "pictures": [str(path) for path in written],
    }


def _spec(found: Backtest, number: int) -> dict[str, object]:
    spec: Backtested = found.specs[number]
    total, alerts = spec.alerts.total(), spec.alerts
    return {
        "name": spec.name,
        "records": spec.records,
        "alerts": {level.label: alerts[level] for level in Level if level},
        "alerts_per_day": plain(total / spec.days) if spec.days > 0 else None,
        "alerts_per_series_day": plain(total / spec.series_days) if spec.series_days > 0 else None,
        "events": found.ranges[number],
        "events_only_here": sum(one.spec == number for one in found.lone),
        "alerted_series": spec.alerted_series,
        "cpu_s": round(spec.cpu_s, 3),
        "bytes_per_series": spec.bytes_per_series,
    }


def _lone(found: Backtest, one: LoneRange) -> dict[str, object]:
    series = found.series[one.series].series
    has_clock, alert = series.time_ns is not None, one.strongest
    return {
        "spec": found.specs[one.spec].name,
        "series": series.name,
        "first": _place(one.alerts[0], has_clock=has_clock),
        "last": _place(one.alerts[-1], has_clock=has_clock),
        "alerts": len(one.alerts),
        "strongest": {
            **_place(alert, has_clock=has_clock),
            "level": alert.level.label,
            "evidence": alert.evidence,
            "values": alert.values,
            "expected": alert.expected,
            "parts": {part.part: part.contribution for part in alert.parts},
        },
    }


def _place(alert: AnomalyDetected, *, has_clock: bool) -> dict[str, object]:
    return {"offset": alert.offset, "time": rfc3339(alert.time_ns) if has_clock else None}
