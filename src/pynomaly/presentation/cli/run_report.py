"""The last words of a run: what became of the records, and where to look next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from pynomaly.application.evaluate import Evaluation, evaluate
from pynomaly.application.repartition import BY_SERIES
from pynomaly.application.spec.sink import FileSink
from pynomaly.application.spec.source import DatasetSource, FileSource, KafkaSource, MemorySource, SourceSpec
from pynomaly.application.tally import Totals
from pynomaly.bootstrap import Services
from pynomaly.domain.event import AnomalyDetected
from pynomaly.presentation.cli.counts import counts_as_json, counts_lines
from pynomaly.presentation.cli.history import History, history_of
from pynomaly.presentation.cli.picture import picture
from pynomaly.presentation.cli.result import print_json, print_rich, results
from pynomaly_connectors.codecs.cloudevents import TYPES
from pynomaly_connectors.datasets import labels
from pynomaly_flows.state_folder import StateFolder

_MOST_BYTES_COUNTED: Final = 64_000_000  # of an alerts file; more would take seconds to read


@dataclass(frozen=True, slots=True)
class RunReport:
    """Where a run reads, writes and remembers.

    Parameters
    ----------
    services
        The flow.
    state
        Folder of the durable state.
    saved_at
        When the state that this run goes on from was saved; None for a run from the beginning.
    """

    services: Services
    state: Path
    saved_at: datetime | None

    @classmethod
    def begin(cls, services: Services, state: Path, *, reset_state: bool) -> RunReport:
        """Look at what is there before the run touches it."""
        store = StateFolder(state).store
        has_state = store.exists() and not reset_state
        saved_at = datetime.fromtimestamp(store.stat().st_mtime, UTC) if has_state else None
        return cls(services, state, saved_at)

    @property
    def source(self) -> str:
        """What is read."""
        return source_text(self.services.spec.source)

    @property
    def alerts(self) -> str:
        """Where alerts go."""
        return next(output.sink.where for output in self.services.outputs(None) if output.name == "alerts")

    def end(self, totals: Totals, seconds: float) -> FinishedRun:
        """Return the report with its counts; a labelled dataset is compared with its labels."""
        source = self.services.spec.source
        if not isinstance(source, DatasetSource) or totals.newest_time_ns is None:
            return FinishedRun(self, totals, seconds)
        seen = history_of(self.services, totals.newest_time_ns)
        spans = [span for span in labels(source.name) if span[0] <= totals.newest_time_ns]
        return FinishedRun(
            self, totals, seconds, seen, evaluate(spans, (alert.time_ns for alert in seen.alerts)), tuple(spans)
        )


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A report with its counts.

    Parameters
    ----------
    report
        Where the run read and wrote.
    totals
        What it counted.
    seconds
        How long it took, start-up of the flow included [s].
    history
        The dataset as the flow saw it; None for other inputs.
    evaluation, labels
        Its alerts against its labels.
    """

    report: RunReport
    totals: Totals
    seconds: float
    history: History | None = None
    evaluation: Evaluation | None = None
    labels: tuple[tuple[int, int], ...] = ()

    @property
    def has_news(self) -> bool:
        """Whether there was any record, or one was lost."""
        return self.totals.records > 0 or bool(self.totals.skipped) or bool(self.totals.delivered.get(BY_SERIES))

    @property
    def alerts_in_file(self) -> int | None:
        """Alerts that the flow's file holds by now, each id counted once; None if they go elsewhere or are too many."""
        sink = self.report.services.spec.output.alerts
        if not isinstance(sink, FileSink):
            return None
        return _alerts_in(Path(sink.path))


def source_text(source: SourceSpec) -> str:
    """Name a source on one line."""
    match source:
        case KafkaSource():
            copied = "" if source.by_series is None else f", by series in {source.by_series},"
            return f"topic {source.topic}{copied} at {source.bootstrap}"
        case FileSource():
            return source.path
        case DatasetSource():
            return f"dataset {source.name}"
        case MemorySource():
            return f"topic {source.topic} of the in-memory broker {source.broker}"


def print_report(run: FinishedRun, *, as_json: bool) -> None:
    """Print the report on standard output."""
    if as_json:
        print_json(_as_json(run))
        return
    if not run.has_news:
        print_rich("\n".join(_no_news(run)))
        return
    print_rich("\n".join(_news(run)))
    screen = results()
    if run.history is not None and screen.is_terminal:
        print_rich("", picture(run.history, run.labels, min(screen.width, 120)))


def _alerts_in(path: Path) -> int | None:
    """Count alerts as their readers should, one for each id: a start over repeats those before it."""
    if not path.exists():
        return 0
    if path.stat().st_size > _MOST_BYTES_COUNTED:
        return None
    with path.open("rb") as file:
        return len(set(filter(None, map(_alert_id, file))))


def _alert_id(line: bytes) -> str | None:
    """Return the id of an alert; None for a line that is none, whoever wrote it."""
    try:
        event: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict) or event.get("type") != TYPES[AnomalyDetected]:
        return None
    return str(event.get("id"))


def _no_news(run: FinishedRun) -> list[str]:
    report = run.report
    if report.saved_at is None:
        return [f"{report.services.plan.name}: no records in {report.source}"]
    return [
        f"{report.services.plan.name}: nothing new in {report.source} since {_moment(report.saved_at)}",
        f"  alerts     {_held(run.alerts_in_file)}{report.alerts}",
        f"  state      {report.state}; start over with --reset-state",
    ]


def _news(run: FinishedRun) -> list[str]:
    report, totals = run.report, run.totals
    lines = counts_lines(report.services.plan.name, totals, run.seconds)
    lines.append(f"             {_held(run.alerts_in_file)}{report.alerts}")
    if run.evaluation is not None:
        lines.append(f"  labels     {_evaluation(run.evaluation)}")
    lines.append(f"  state      {report.state}")
    return lines


def _held(alerts: int | None) -> str:
    if alerts is None:
        return "they go to "
    return f"{alerts:,} {'is' if alerts == 1 else 'are'} in "


def _evaluation(found: Evaluation) -> str:
    rows = "row" if found.false_rows == 1 else "rows"
    return f"{found.hits} of {found.segments} labelled segments hit, {found.false_rows} false alert {rows}"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _as_json(run: FinishedRun) -> dict[str, object]:
    report, found = run.report, run.evaluation
    plan = report.services.plan
    return {
        **counts_as_json(plan.name, plan.fingerprint, run.totals, run.seconds),
        "source": report.source,
        "series": run.totals.series,
        "delivered": run.totals.delivered,
        "alerts_to": report.alerts,
        "alerts_in_file": run.alerts_in_file,
        "state": str(report.state),
        "resumed_from": None if report.saved_at is None else report.saved_at.isoformat(),
        "labels": None if found is None else _evaluation_as_json(found),
    }


def _evaluation_as_json(found: Evaluation) -> dict[str, int]:
    return {
        "segments": found.segments,
        "hits": found.hits,
        "alert_rows": found.alert_rows,
        "false_alert_rows": found.false_rows,
    }
