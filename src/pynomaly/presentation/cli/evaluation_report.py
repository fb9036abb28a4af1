"""What `pynomaly evaluate` prints: a row for each contender, and one for each series if asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

from rich.table import Table

from pynomaly.application.quality.nab import PROFILES
from pynomaly.application.quality.summary import Splits, Summary, summary
from pynomaly.presentation.cli.evaluation import Comparison
from pynomaly.presentation.cli.evaluation_json import as_document
from pynomaly.presentation.cli.result import print_json, print_rich, printable

Row = tuple[str, Summary]


def print_comparison(comparison: Comparison, splits: Splits | None, *, each: bool, as_json: bool) -> None:
    """Print a comparison on standard output.

    Parameters
    ----------
    splits
        How thresholds are chosen on labels; None: they are not.
    each
        Give the figures of every series too; as JSON they are always there.
    as_json
        Print one JSON object instead of tables.
    """
    if as_json:
        print_json(as_document(comparison, splits))
        return
    is_table = comparison.corpus.records == "table"
    rows = [
        (printable(entry.contender.name), summary(entry.series, None if is_table else splits))
        for entry in comparison.entries
    ]
    print_rich(_headline(comparison, rows))
    if not is_table:
        print_rich("\nalerts at the built-in levels", _alerts(rows))
    if splits is not None and not is_table:
        print_rich("\nscore of the Numenta Anomaly Benchmark, by where its threshold comes from", _thresholds(rows))
    print_rich(
        "\nranking by ranking_score, means over the series with labels", _ranking(rows, with_volumes=not is_table)
    )
    if each:
        print_rich("\nevery series", _each(comparison, with_volumes=not is_table))


def _headline(comparison: Comparison, rows: Sequence[Row]) -> str:
    alerts = rows[0][1].alerts
    counts = (len(comparison.entries[0].series), alerts.records, alerts.ranges.labelled)
    return "{}: {:,} series, {:,} records, {:,} labelled windows".format(comparison.corpus.name, *counts)


def _alerts(rows: Sequence[Row]) -> Table:
    per_day = any(not isnan(found.alerts.false_alerts_per_day) for _, found in rows)
    table = _table(
        "contender", *(f"NAB {name}".replace("_", " ") for name in PROFILES), "found", "false", "precision", "recall",
        "F1", "delay [records]", *(("delay", "false a series-day") if per_day else ("false in 10,000",)),
    )  # fmt: skip
    for name, found in rows:
        table.add_row(name, *_alert_cells(found, per_day=per_day))
    return table


def _alert_cells(found: Summary, *, per_day: bool) -> Iterator[str]:
    alerts = found.alerts
    yield from (_number(score.built_in, 2) for score in found.nab.values()) if found.nab else [""] * len(PROFILES)
    yield f"{alerts.found} of {alerts.ranges.labelled}"
    yield f"{alerts.false_alerts:,}"
    yield from (_number(share, 3) for share in (alerts.ranges.precision, alerts.ranges.recall, alerts.ranges.f1))
    yield f"{_number(alerts.delay.median, 0)} / {_number(alerts.delay.p90, 0)}"
    if per_day:
        yield f"{_duration(alerts.delay_s.median)} / {_duration(alerts.delay_s.p90)}"
        yield _number(alerts.false_alerts_per_day, 3)
    else:
        yield _number(alerts.false_alerts_per_10k, 2)


def _thresholds(rows: Sequence[Row]) -> Table:
    table = _table(
        "contender", "profile", "built-in", "best on these labels", "at", "chosen on half of the series",
        "chosen on other groups",
    )  # fmt: skip
    for name, found in rows:
        for profile, score in found.nab.items():
            halves = "" if score.halves is None else f"{score.halves.mean:.1f} (sd {score.halves.sd:.1f})"
            table.add_row(
                name if profile == next(iter(found.nab)) else "",
                profile.replace("_", " "),
                _number(score.built_in, 2),
                _number(score.chosen, 2),
                _number(score.threshold, 1),
                halves,
                _number(score.left_out, 1),
            )
    return table


def _ranking(rows: Sequence[Row], *, with_volumes: bool) -> Table:
    columns = ("VUS-PR", "VUS-ROC") if with_volumes else ()
    table = _table("contender", *columns, "AUC-PR", "AUC-ROC", "series")
    for name, found in rows:
        volumes = (found.vus_pr, found.vus_roc) if with_volumes else ()
        table.add_row(name, *(_number(area, 3) for area in (*volumes, found.auc_pr, found.auc_roc)), str(found.ranked))
    return table


def _each(comparison: Comparison, *, with_volumes: bool) -> Table:
    """Return VUS-PR of every series by every contender; of tables AUC-ROC and AUC-PR."""
    table = _table("series", *(printable(entry.contender.name) for entry in comparison.entries))
    for of_one in zip(*(entry.series for entry in comparison.entries), strict=True):
        cells = (
            _number(one.volumes.pr, 3) if with_volumes else f"{_number(one.areas.roc, 3)} / {_number(one.areas.pr, 3)}"
            for one in of_one
        )
        table.add_row(printable(of_one[0].name), *cells)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, max_width=60)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _number(number: float, digits: int) -> str:
    return "" if isnan(number) else f"{number:.{digits}f}"


def _duration(seconds: float) -> str:
    """Return a time in the unit that people would use."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return "" if isnan(seconds) else f"{seconds:.0f} s"
