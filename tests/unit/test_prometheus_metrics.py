"""What PrometheusTelemetry counts, and the labels that it counts by."""

from __future__ import annotations

import math

import pytest
from prometheus_client import generate_latest

from pynomaly.application.telemetry import BatchProcessed, NoTelemetry, Telemetry
from pynomaly.domain.outcome import Outcome, Reason
from pynomaly.domain.record import Stream
from pynomaly.infrastructure.telemetry.catalogue import MAX_STREAM_LABELS
from unit.watched_telemetry import ORDERS, Watched, batch


def test_batch_counts_records_by_stream(watched: Watched) -> None:
    """The counts by reason sum to the records of the stream."""
    watched.telemetry.batch_processed(batch())
    watched.telemetry.batch_processed(batch(Stream("orders", 4)))
    assert watched.value("pynomaly_records_total", stream="orders[3]") == 100
    assert watched.value("pynomaly_records_total", stream="orders[4]") == 100


def test_batch_counts_outcomes_alerts_and_windows(watched: Watched) -> None:
    """Reasons keep their outcome beside them; levels and windows are counted apart."""
    watched.telemetry.batch_processed(batch())
    watched.telemetry.batch_processed(batch())
    assert watched.value("pynomaly_outcomes_total", outcome="normal", reason="below_threshold") == 180
    assert watched.value("pynomaly_outcomes_total", outcome="warming", reason="detector_warming") == 14
    assert watched.value("pynomaly_outcomes_total", outcome="anomalous", reason="alerted") == 6
    assert watched.value("pynomaly_alerts_total", level="watch") == 4
    assert watched.value("pynomaly_alerts_total", level="critical") == 2
    assert watched.value("pynomaly_windows_total", outcome="anomalous", reason="alerted") == 2
    assert watched.value("pynomaly_series_evicted_total", reason="displaced") == 10
    assert watched.value("pynomaly_series_evicted_total", reason="expired") == 0


def test_batch_is_timed_and_sized(watched: Watched) -> None:
    """Histograms get one observation a batch, in seconds and records."""
    watched.telemetry.batch_processed(batch())
    assert watched.value("pynomaly_batch_seconds_count") == 1
    assert watched.value("pynomaly_batch_seconds_sum") == pytest.approx(0.004)
    assert watched.value("pynomaly_batch_seconds_bucket", le="0.0025") == 0
    assert watched.value("pynomaly_batch_seconds_bucket", le="0.005") == 1
    assert watched.value("pynomaly_batch_records_sum") == 100


def test_every_reason_and_level_starts_at_zero(watched: Watched) -> None:
    """The first record of a rare reason is an increase that Prometheus can see."""
    for reason in Reason:
        expected = None if reason is Reason.ACCEPTED else 0.0
        sample = watched.value("pynomaly_outcomes_total", outcome=reason.outcome.label, reason=reason.label)
        assert sample == expected, reason
    assert watched.value("pynomaly_alerts_total", level="warning") == 0
    assert watched.value("pynomaly_alerts_total", level="none") is None
    assert watched.value("pynomaly_deliveries_total", output="dead_letters") == 0
    assert watched.value("pynomaly_model_refits_total", part="forest", result="failed") == 0


def test_windows_have_no_reasons_of_records(watched: Watched) -> None:
    """A window is judged or warming, never rejected or late."""
    judged = {Outcome.NORMAL, Outcome.ANOMALOUS, Outcome.SUPPRESSED, Outcome.WARMING}
    for reason in Reason:
        known = watched.value("pynomaly_windows_total", outcome=reason.outcome.label, reason=reason.label) is not None
        assert known == (reason.outcome in judged and reason is not Reason.ACCEPTED), reason


def test_last_event_time_never_goes_back(watched: Watched) -> None:
    """A late batch or one without accepted records leaves the latest event time."""
    for newest_time_ns in (1_700_000_000_500_000_000, 1_600_000_000_000_000_000, None):
        watched.telemetry.batch_processed(batch(newest_time_ns=newest_time_ns))
    assert watched.value("pynomaly_last_event_time_seconds", stream="orders[3]") == 1_700_000_000.5


def test_gauges_of_a_stream(watched: Watched) -> None:
    """Lag, series and snapshot size are the latest value told."""
    for factor in (1, 2):
        watched.telemetry.lag_measured(ORDERS, 10 * factor)
        watched.telemetry.series_counted(ORDERS, 20 * factor)
        watched.telemetry.checkpoint_written(ORDERS, 0.5, 30 * factor)
    assert watched.value("pynomaly_lag_records", stream="orders[3]") == 20
    assert watched.value("pynomaly_series", stream="orders[3]") == 40
    assert watched.value("pynomaly_checkpoint_bytes", stream="orders[3]") == 60
    assert watched.value("pynomaly_checkpoint_seconds_sum") == 1.0


def test_no_loss_is_foreseen_until_somebody_says_so(watched: Watched) -> None:
    """A stream that keeps up has an endless gauge from its first batch on, so that a rule can compare it."""
    watched.telemetry.batch_processed(batch())
    assert watched.value("pynomaly_retention_eta_seconds", stream="orders[3]") == math.inf
    watched.telemetry.loss_foreseen(ORDERS, 3_600.0)
    assert watched.value("pynomaly_retention_eta_seconds", stream="orders[3]") == 3_600


def test_deliveries_stalls_and_refits(watched: Watched) -> None:
    """Rare facts are counted by output, part and result."""
    watched.telemetry.events_delivered("alerts", 5, 0.02)
    watched.telemetry.checkpoint_stalled(0.3)
    watched.telemetry.model_refitted("forest")
    watched.telemetry.model_refit_failed("forest")
    watched.telemetry.detector_status_changed("forest", "degraded")
    assert watched.value("pynomaly_deliveries_total", output="alerts") == 5
    assert watched.value("pynomaly_delivery_seconds_count", output="alerts") == 1
    assert watched.value("pynomaly_checkpoint_stall_seconds_sum") == pytest.approx(0.3)
    assert watched.value("pynomaly_model_refits_total", part="forest", result="adopted") == 1
    assert watched.value("pynomaly_model_refits_total", part="forest", result="failed") == 1
    assert watched.value("pynomaly_detector_status_changes_total", part="forest", status="degraded") == 1
    assert watched.value("pynomaly_detector_status_changes_total", part="forest", status="working") == 0


def test_labels_of_streams_are_bounded(watched: Watched) -> None:
    """Streams past the limit share one counter and set no gauge."""
    for partition in range(MAX_STREAM_LABELS + 5):
        stream = Stream("files", partition)
        watched.telemetry.batch_processed(BatchProcessed(stream, 0.001, {Reason.BELOW_THRESHOLD: 1}))
        watched.telemetry.lag_measured(stream, 1)
        watched.telemetry.loss_foreseen(stream, 1.0)
        watched.telemetry.series_counted(stream, 1)
        watched.telemetry.checkpoint_written(stream, 0.001, 1)
    text = generate_latest(watched.registry).decode()
    assert text.count("pynomaly_records_total{") == MAX_STREAM_LABELS + 1
    assert text.count("pynomaly_lag_records{") == MAX_STREAM_LABELS
    assert watched.value("pynomaly_records_total", stream="other") == 5


def test_build_info_names_the_version(watched: Watched) -> None:
    """One constant sample says what runs."""
    assert watched.value("pynomaly_build_info", version="1.2.3") == 1


def test_no_telemetry_takes_every_fact() -> None:
    """The null telemetry has every method of the port and answers nothing."""
    telemetry: Telemetry = NoTelemetry()
    telemetry.input_polled()
    telemetry.batch_processed(batch())
    telemetry.lag_measured(ORDERS, 1)
    telemetry.loss_foreseen(ORDERS, 1.0)
    telemetry.series_counted(ORDERS, 1)
    telemetry.checkpoint_written(ORDERS, 1.0, 1)
    telemetry.checkpoint_stalled(1.0)
    telemetry.events_delivered("alerts", 1, 1.0)
    telemetry.model_refitted("forest")
    telemetry.model_refit_failed("forest")
    telemetry.detector_status_changed("forest", "degraded")
