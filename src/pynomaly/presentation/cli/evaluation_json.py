"""A comparison as one JSON document: every figure of the tables, and those of every series."""

from __future__ import annotations

from dataclasses import asdict
from math import isnan
from typing import cast

from pynomaly.application.quality.alerting import AlertTally
from pynomaly.application.quality.summary import Splits, Summary, summary
from pynomaly.application.quality.trial import SeriesQuality
from pynomaly.evaluation.comparison import Entry
from pynomaly.presentation.cli.evaluation import Comparison

_DIGITS = 6


def as_document(comparison: Comparison, splits: Splits | None) -> dict[str, object]:
    """Return the document; figures that are not known are null."""
    document = {
        "corpus": comparison.corpus.name,
        "kind": comparison.corpus.records,
        "splits": None if splits is None else asdict(splits),
        "contenders": [_entry(entry, splits) for entry in comparison.entries],
    }
    return cast("dict[str, object]", plain(document))


def _entry(entry: Entry, splits: Splits | None) -> dict[str, object]:
    contender, found = entry.contender, summary(entry.series, splits)
    return {
        "name": contender.name,
        "detectors": list(contender.detectors),
        "levels": None if contender.levels is None else dict(contender.levels),
        "sees": contender.view,
        "alerts": _alerts(found.alerts),
        "nab": {name: asdict(score) for name, score in found.nab.items()},
        "nab_false_rows": found.false_rows,
        "ranking": _ranking(found),
        "series": [_series(one) for one in entry.series],
    }


def _alerts(alerts: AlertTally) -> dict[str, object]:
    ranges = alerts.ranges
    return {
        "records": alerts.records,
        "windows": ranges.labelled,
        "found": alerts.found,
        "alerts": alerts.alerts,
        "false_alerts": alerts.false_alerts,
        "precision": ranges.precision,
        "recall": ranges.recall,
        "f1": ranges.f1,
        "delay_records": asdict(alerts.delay),
        "delay_s": asdict(alerts.delay_s),
        "false_alerts_per_series_day": alerts.false_alerts_per_day,
        "false_alerts_per_10000_records": alerts.false_alerts_per_10k,
    }


def _ranking(found: Summary) -> dict[str, object]:
    areas = ("vus_pr", "vus_roc", "auc_pr", "auc_roc")
    return {"series": found.ranked, **{name: getattr(found, name) for name in areas}}


def _series(one: SeriesQuality) -> dict[str, object]:
    return {
        "name": one.name,
        "group": one.group,
        "records": one.alerts.records,
        "windows": one.alerts.ranges.labelled,
        "found": one.alerts.found,
        "false_alerts": one.alerts.false_alerts,
        "vus_pr": one.volumes.pr,
        "vus_roc": one.volumes.roc,
        "auc_pr": one.areas.pr,
        "auc_roc": one.areas.roc,
    }


def plain(node: object) -> object:
    """Round what is a number, and make null of what is none."""
    if isinstance(node, float):
        return None if isnan(node) else round(node, _DIGITS)
    if isinstance(node, dict):
        return {name: plain(value) for name, value in cast("dict[str, object]", node).items()}
    if isinstance(node, list):
        return [plain(value) for value in cast("list[object]", node)]
    return node
