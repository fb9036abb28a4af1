"""What a flow will need, as figures for machines."""

from __future__ import annotations

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.evaluation.forecast import Forecast
from pynomaly.presentation.cli.evaluation_json import plain


def as_document(found: Forecast, flow: FlowSpec) -> dict[str, object]:
    """Return the figures; those that are not known are null."""
    return {
        "records": found.records,
        "rejected": found.rejected,
        "partitions": found.streams,
        "series": found.series,
        "bytes_per_series": found.bytes_per_series,
        "series_bytes": found.series_bytes,
        "checkpoint_bytes": found.checkpoint_bytes,
        "days": plain(found.days),
        "alerts_per_day": {level.label: plain(found.alerts_per_day(level)) for level in flow.levels},
        "cpu_s": round(found.cpu_s, 3),
        "records_per_cpu_s": plain(found.records_per_cpu_s),
        "stops_because": found.stopped,
    }
