"""What PrometheusTelemetry counts, what the endpoint serves, what a span says."""

from __future__ import annotations

import json
import math
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, SpanKind
from prometheus_client import CollectorRegistry, generate_latest

from pynomaly.application.telemetry import BatchProcessed, NoTelemetry, Telemetry
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Level, Outcome, Reason
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.domain.series import Eviction
from pynomaly.infrastructure.telemetry.catalogue import MAX_STREAM_LABELS
from pynomaly.infrastructure.telemetry.endpoint import MAX_CONNECTIONS, MetricsEndpoint
from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
from pynomaly.infrastructure.telemetry.metrics import PrometheusTelemetry
from pynomaly.infrastructure.telemetry.tracing import batch_span, tracing_from

ORDERS = Stream("orders", 3)


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time [s]."""
        return self.now


class Watched:
    """A telemetry with the registry that it writes to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.heartbeat = Heartbeat(60.0, self.clock)
        self.registry = CollectorRegistry()
        self.telemetry = PrometheusTelemetry(
            "checkout",
            self.registry,
            version="1.2.3",
            heartbeat=self.heartbeat,
            outputs=("alerts", "dead_letters"),
            refitted_parts=("forest",),
            adapted_parts=("forest",),
        )

    def value(self, name: str, **labels: str) -> float | None:
        """Read one sample of flow `checkout`."""
        return self.registry.get_sample_value(name, {"flow": "checkout", **labels})


@pytest.fixture
def watched() -> Watched:
    """Return a telemetry that has been told nothing yet."""
    return Watched()


def batch(stream: Stream = ORDERS, newest_time_ns: int | None = 1_700_000_000_500_000_000) -> BatchProcessed:
    """Return a batch of 100 records: 90 normal, 7 warming, 3 alerted."""
    return BatchProcessed(
        stream,
        seconds=0.004,
        by_reason={Reason.BELOW_THRESHOLD: 90, Reason.DETECTOR_WARMING: 7, Reason.ALERTED: 3},
        alerts={Level.WATCH: 2, Level.CRITICAL: 1},
        newest_time_ns=newest_time_ns,
        windows={Reason.ALERTED: 1},
        evicted={Eviction.EXPIRED: 0, Eviction.DISPLACED: 5},
    )


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


def test_heartbeat_complains_after_its_patience(watched: Watched) -> None:
    """A loop that stays away is a hang; the next poll ends it."""
    watched.clock.now += 60.0
    assert watched.heartbeat.problem() is None
    watched.clock.now += 1.0
    assert watched.heartbeat.problem() == (
        "input must be polled every 60 s, was polled 61 s ago: the flow hangs; restart it, it resumes exactly"
    )
    watched.telemetry.input_polled()
    assert watched.heartbeat.problem() is None


def _well() -> None:
    """Find nothing wrong."""


@pytest.fixture
def endpoint(watched: Watched) -> Iterator[MetricsEndpoint]:
    """Serve the telemetry on a free port of loopback."""
    with MetricsEndpoint(
        "127.0.0.1:0", watched.registry, watched.heartbeat.problem, watched.telemetry.hindrance
    ) as served:
        yield served


def get(url: str, **headers: str) -> tuple[int, str, bytes]:
    """Return status, content type and body of an answer, whatever its status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_metrics_are_served_as_text(endpoint: MetricsEndpoint, watched: Watched) -> None:
    """A scrape sees what was told before it."""
    watched.telemetry.batch_processed(batch())
    status, content_type, body = get(endpoint.url + "/metrics?name=x")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'pynomaly_records_total{flow="checkout",stream="orders[3]"} 100.0' in body


def test_metrics_are_served_as_openmetrics(endpoint: MetricsEndpoint) -> None:
    """A client that asks for OpenMetrics gets it, without creation times."""
    _, content_type, body = get(endpoint.url + "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    assert b"_created" not in body


def test_health_follows_the_heartbeat(endpoint: MetricsEndpoint, watched: Watched) -> None:
    """200 while the loop goes round, 503 with the reason when it does not."""
    status, content_type, body = get(endpoint.url + "/healthz")
    assert (status, content_type, json.loads(body)) == (200, "application/json", {"status": "ok"})
    watched.clock.now += 1000.0
    status, _, body = get(endpoint.url + "/healthz")
    assert status == 503
    assert json.loads(body)["problem"].startswith("input must be polled every 60 s, was polled 1000 s ago")


def test_readiness_follows_inputs_and_loop(endpoint: MetricsEndpoint, watched: Watched) -> None:
    """503 until an input is open, while one does not answer, and while the loop waits for something else."""

    def ready() -> str | None:
        status, _, body = get(endpoint.url + "/ready")
        problem = json.loads(body).get("problem")
        assert (status == 200) == (problem is None)
        return None if problem is None else str(problem)

    assert ready() == "input must be open, is being looked for: the flow starts"
    for stream in (ORDERS, Stream("orders", 4)):
        watched.telemetry.input_answers(stream, None)
    assert ready() is None
    watched.telemetry.input_answers(ORDERS, "kafka must answer, is away")
    assert ready() == "kafka must answer, is away"
    labels = {"flow": "checkout", "stream": "orders[3]"}
    assert watched.registry.get_sample_value("pynomaly_input_up", labels) == 0
    watched.telemetry.input_answers(ORDERS, None)
    assert watched.registry.get_sample_value("pynomaly_input_up", labels) == 1
    watched.clock.now += 4.0
    assert (ready() or "").startswith(
        "input must be polled every 3 s, was polled 4 s ago: the flow waits for an output"
    )
    watched.telemetry.input_polled()
    assert ready() is None


def test_other_paths_are_not_found(endpoint: MetricsEndpoint) -> None:
    """Anything else says what exists."""
    assert get(endpoint.url + "/")[::2] == (404, b"ask /metrics, /healthz or /ready\n")


def test_taken_port_is_a_config_error(endpoint: MetricsEndpoint) -> None:
    """The error names the setting, the address and what to do."""
    taken = endpoint.url.removeprefix("http://")
    with pytest.raises(ConfigError) as caught:
        MetricsEndpoint(taken, CollectorRegistry(), _well, _well)
    assert str(caught.value) == (
        f"metrics.listen: must be an address that this machine can listen on, was '{taken}': "
        "Address already in use; stop what listens there or choose another"
    )


@pytest.mark.parametrize(
    "listen", ["", "9464", "localhost", "localhost:", ":9464", "h:65536", "a b:1", "[::1:1", "h:1/x"]
)
def test_bad_address_is_a_config_error(listen: str) -> None:
    """The error shows what an address looks like."""
    with pytest.raises(ConfigError) as caught:
        MetricsEndpoint(listen, CollectorRegistry(), _well, _well)
    assert str(caught.value) == f"metrics.listen: must be <host>:<port>, such as 127.0.0.1:9464, was {listen!r}"


def test_endpoint_stops_and_frees_its_port(watched: Watched) -> None:
    """After stop the port can be taken again and no thread is left; a second stop does nothing."""
    endpoint = MetricsEndpoint("127.0.0.1:0", watched.registry, _well, _well)
    address = endpoint.url.removeprefix("http://")
    endpoint.stop()
    endpoint.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "metrics-endpoint"]
    MetricsEndpoint(address, watched.registry, _well, _well).stop()


def test_connections_are_bounded(endpoint: MetricsEndpoint) -> None:
    """A client that opens many connections and says nothing gets the surplus closed."""
    host, _, port = endpoint.url.removeprefix("http://").partition(":")
    idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(MAX_CONNECTIONS + 1)]
    try:
        assert idle[-1].recv(1) == b""
    finally:
        for connection in idle:
            connection.close()


def one_record() -> RecordBatch:
    """Return a batch of one record at offset 41."""
    return RecordBatch(
        ORDERS, np.array([41]), np.array([7]), KeyColumn.of([b"a"]), np.array([[1.0]]), np.zeros(1, np.uint8)
    )


def test_span_names_stream_and_records() -> None:
    """One span a batch, by the conventions for messaging."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with batch_span(provider.get_tracer("test"), "checkout", one_record()):
        pass
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("process orders", SpanKind.CONSUMER)
    assert dict(span.attributes or {}) == {
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "3",
        "messaging.batch.message_count": 1,
        "pynomaly.flow": "checkout",
        "pynomaly.first_offset": 41,
    }


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_tracing_is_off_unless_asked_for(environment: dict[str, str]) -> None:
    """Nothing is exported without an exporter or an endpoint."""
    tracing = tracing_from(environment, "1.2.3")
    assert isinstance(tracing.tracer, NoOpTracer)
    with batch_span(tracing.tracer, "checkout", one_record()) as span:
        assert not span.is_recording()
    tracing.close()


def test_console_spans_go_to_standard_error(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing flushes; standard output stays free for results; the environment names the service."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=payments")
    tracing = tracing_from({"OTEL_TRACES_EXPORTER": "console"}, "1.2.3")
    with batch_span(tracing.tracer, "checkout", one_record()):
        pass
    tracing.close()
    out, err = capfd.readouterr()
    assert out == ""
    assert json.loads(err)["resource"]["attributes"]["service.name"] == "payments"
    assert json.loads(err)["resource"]["attributes"]["service.version"] == "1.2.3"


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin_json"}, "pip install opentelemetry-exporter-zipkin-json"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: must be one of http/protobuf, grpc, was 'carrier-pigeon'",
        ),
    ],
)
def test_exporter_that_is_not_there_is_a_config_error(environment: dict[str, str], complaint: str) -> None:
    """The error says what to install or which words exist."""
    with pytest.raises(ConfigError) as caught:
        tracing_from(environment, "1.2.3")
    assert complaint in str(caught.value)
