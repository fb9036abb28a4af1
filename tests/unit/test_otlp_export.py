"""Traces reach an OpenTelemetry collector with the extra `otlp`, and without it the error says what to install."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import EntryPoints
from pathlib import Path

import numpy as np
import pytest

from pynomaly.domain.error import ConfigError
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.infrastructure.telemetry import tracing

ROOT = Path(__file__).parents[2]


class Collector(HTTPServer):
    """Takes what an exporter posts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receipt)
        self.posts: list[tuple[str, bytes]] = []


class Receipt(BaseHTTPRequestHandler):
    """Notes one request and says that all is well."""

    def do_POST(self) -> None:
        """Take the spans."""
        assert isinstance(self.server, Collector)
        self.server.posts.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the class gives it
        """Stay quiet."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Serve a collector on loopback for the length of a test."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_spans_reach_a_collector(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint is all that has to be named; closing delivers what is still waiting."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra otlp")
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    traced = tracing.tracing_from({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, "1.2.3")
    batch = RecordBatch(
        Stream("orders"), np.array([7]), np.array([0]), KeyColumn.of([b"a"]), np.array([[1.0]]), np.zeros(1, np.uint8)
    )
    with tracing.batch_span(traced.tracer, "checkout", batch):
        pass
    traced.close()
    ((path, body),) = collector.posts
    assert path == "/v1/traces"
    for told in (b"process orders", b"checkout", b"service.version", b"1.2.3"):
        assert told in body


@pytest.mark.parametrize(
    ("environment", "package"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "'pynomaly-streaming[otlp]'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "'pynomaly-streaming[otlp]'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "opentelemetry-exporter-otlp-proto-grpc",
        ),
    ],
)
def test_a_missing_exporter_names_its_extra(
    environment: dict[str, str], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no exporter is installed, the error says what brings it."""
    monkeypatch.setattr(tracing, "entry_points", lambda **_: EntryPoints())
    with pytest.raises(ConfigError, match=re.escape(f"pip install {package}, or leave the OTEL_* variables unset")):
        tracing.tracing_from(environment, "1.2.3")


def test_every_variable_is_documented() -> None:
    """docs/tracing.md names each variable that the program reads, and the extra that it asks for."""
    source = Path(tracing.__file__).read_text()
    page = (ROOT / "docs" / "tracing.md").read_text()
    read = set(re.findall(r"\bOTEL_[A-Z_]+\b", source))
    assert read <= set(re.findall(r"\bOTEL_[A-Z_]+\b", page))
    assert "pip install 'pynomaly-streaming[otlp]'" in page
