"""The catalogue, the exporter and the documentation name the same metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.schema import flow_schema
from pynomaly.application.telemetry import BatchProcessed
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import Stream
from pynomaly.infrastructure.telemetry.catalogue import CATALOGUE, LAG, PROCESS_METRICS, SUPERVISOR_METRICS, Metric
from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
from pynomaly.infrastructure.telemetry.metrics import PrometheusTelemetry
from pynomaly.infrastructure.telemetry.page import metrics_page
from pynomaly.infrastructure.telemetry.shard_metrics import ShardMetrics, ShardState

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"


def exposed() -> dict[str, tuple[str, frozenset[str]]]:
    """Return name -> (kind, labels) of what a flow exposes that has told every fact."""
    registry = CollectorRegistry()
    telemetry = PrometheusTelemetry("f", registry, version="1", heartbeat=Heartbeat(60.0), outputs=("alerts",))
    stream = Stream("t")
    telemetry.batch_processed(BatchProcessed(stream, 0.1, {Reason.ALERTED: 1}, {Level.WATCH: 1}, 1, {}))
    telemetry.lag_measured(stream, 1)
    telemetry.records_skipped(stream, 1)
    telemetry.input_answers(stream, None)
    telemetry.loss_foreseen(stream, 1.0)
    telemetry.series_counted(stream, 1)
    telemetry.checkpoint_written(stream, 0.1, 1)
    telemetry.checkpoint_stalled(0.1)
    telemetry.events_delivered("alerts", 1, 0.1)
    telemetry.model_refitted("p")
    telemetry.detector_status_changed("p", "degraded")
    return families(registry)


def families(registry: CollectorRegistry) -> dict[str, tuple[str, frozenset[str]]]:
    """Return name -> (kind, labels) of a registry."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
        found[name] = (family.type, labels)
    return found


def test_exporter_and_catalogue_agree() -> None:
    """Every exposed metric is in the catalogue with its kind and labels, and the other way round."""
    listed = {metric.name: (metric.kind, frozenset(metric.labels)) for metric in (*CATALOGUE, *PROCESS_METRICS)}
    assert exposed() == listed


def test_the_supervisor_exposes_what_the_catalogue_says() -> None:
    """Its own metrics have the kinds and labels that are listed."""
    registry = CollectorRegistry()
    registry.register(ShardMetrics("f", lambda: [ShardState("0/1", None, 2, is_done=False)]))
    listed = {metric.name: (metric.kind, frozenset(metric.labels)) for metric in SUPERVISOR_METRICS}
    assert families(registry) == listed


@pytest.mark.parametrize("metric", [*CATALOGUE, *SUPERVISOR_METRICS], ids=lambda metric: metric.name)
def test_names_follow_the_rule(metric: Metric) -> None:
    """`pynomaly_<noun>_<unit>[_total]`: counters end in _total, nothing else does, and units are base units."""
    assert re.fullmatch(r"pynomaly(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|us|ns|mb|kb|percent)(_|$)", metric.name)
    assert "series" not in metric.labels
    assert "key" not in metric.labels


@pytest.mark.parametrize("metric", [*CATALOGUE, *SUPERVISOR_METRICS, *PROCESS_METRICS], ids=lambda metric: metric.name)
def test_every_metric_says_what_it_means_and_what_to_do(metric: Metric) -> None:
    """Meaning and action are whole sentences that fit in a table."""
    for text in (metric.meaning, metric.action):
        assert text.endswith(".")
        assert "|" not in text
        assert "\n" not in text


def test_remedies_name_only_keys_that_a_flow_has() -> None:
    """An operator is told to turn nothing that does not exist, in the catalogue as in the alert rules."""
    definitions: Any = flow_schema()["$defs"]
    known = {key for section in definitions.values() for key in section.get("properties", {})}
    said = [metric.action for metric in (*CATALOGUE, *SUPERVISOR_METRICS, *PROCESS_METRICS)]
    said += [
        rule["annotations"]["description"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    ]
    sections = "|".join(FlowSpec.model_fields)
    named = {key for text in said for key in re.findall(rf"\b(?:{sections})\.([a-z_]+)", text)}
    assert {"batch_records", "every", "series"} <= named <= known


def test_growing_lag_has_one_remedy() -> None:
    """The catalogue and the alert rule give the same advice."""
    (rule,) = re.findall(r"alert: PynomalyLagGrows.*?description: (.*?)\.\n", RULES.read_text(), re.DOTALL)
    assert rule in LAG.action


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_buckets_belong_to_histograms(metric: Metric) -> None:
    """Histograms have increasing bounds, other kinds none."""
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_page_is_current() -> None:
    """docs/metrics.md is what the catalogue gives; make it again with the module that makes it."""
    assert PAGE.read_text() == metrics_page(), (
        "docs/metrics.md must be current: python -m pynomaly.infrastructure.telemetry.page > docs/metrics.md"
    )


def test_page_names_every_metric() -> None:
    """Each metric has one row of the page."""
    rows = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(metric.name for metric in (*CATALOGUE, *SUPERVISOR_METRICS, *PROCESS_METRICS))
