"""The documentation page of the metrics, from the catalogue: ``python -m pynomaly.infrastructure.telemetry.page``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pynomaly.infrastructure.telemetry.catalogue import (
    CATALOGUE,
    MAX_STREAM_LABELS,
    OTHER_STREAMS,
    PROCESS_METRICS,
    SUPERVISOR_METRICS,
    Metric,
)

_HEAD = f"""\
# Metrics

A flow with `metrics.listen` serves these at `/metrics` for Prometheus, its health at `/healthz` (200 while the flow
goes round, 503 with the reason when it hangs: restart it), and at `/ready` whether it can work right now (503 with the
reason while it starts, while brokers do not answer, and while it waits for an output: it mends by itself). This page
is made from the program's own list (`pynomaly.infrastructure.telemetry.catalogue`); a metric that is not here does not
exist.

Labels: `flow` is the flow's name; `stream` is `topic[partition]`, or a file's path; `output`, `part`, `level`,
`outcome` and `reason` are words of the flow and of the program. There is never a label for a series. The first
{MAX_STREAM_LABELS:,} streams get a label of their own; the counts of further ones go to
`stream="{OTHER_STREAMS}"`, and their gauges are left out.

A histogram `x` has the time series `x_bucket`, `x_sum` and `x_count`. Counters start at 0 with the process: use
`rate()` or `increase()`.

Under `pynomaly run --shards` one address serves the metrics of all shards, and each has the label `shard` besides.
"""

_SHARDS = """\
## Of the shards

Only under `pynomaly run --shards`.
"""

_PROCESS = """\
## Of the process

On Linux, as the Prometheus client library gives them for every program. To choose those of one flow:
`process_resident_memory_bytes * on (job, instance, shard) group_left (flow) pynomaly_build_info{flow="…"}`.
"""


def metrics_page() -> str:
    """Return the page as Markdown."""
    return "\n".join(
        [
            _HEAD,
            "## Of the flow\n",
            *_table(CATALOGUE),
            _SHARDS,
            *_table(SUPERVISOR_METRICS),
            _PROCESS,
            *_table(PROCESS_METRICS),
        ],
    )


def _table(metrics: Iterable[Metric]) -> list[str]:
    head = ["| metric | kind, unit | labels | meaning | when it looks wrong |", "|---|---|---|---|---|"]
    return [*head, *map(_line, metrics), ""]


def _line(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"| `{metric.name}` | {metric.kind}, {metric.unit} | {labels} | {metric.meaning} | {metric.action} |"


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
