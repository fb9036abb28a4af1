"""What a span says, and where spans go."""

from __future__ import annotations

import json

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, SpanKind

from pynomaly.domain.error import ConfigError
from pynomaly.domain.record import KeyColumn, RecordBatch
from pynomaly.infrastructure.telemetry.tracing import batch_span, tracing_from
from unit.watched_telemetry import ORDERS


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
