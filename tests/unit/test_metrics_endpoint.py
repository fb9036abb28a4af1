"""What the endpoint of a process serves: metrics, health and readiness, at an address of its own."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from pynomaly.domain.error import ConfigError
from pynomaly.domain.record import Stream
from pynomaly.infrastructure.telemetry.endpoint import MAX_CONNECTIONS, MetricsEndpoint
from unit.watched_telemetry import ORDERS, Watched, batch


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
    """503 until an input is open, while it or an output is away, and while the loop waits for something else."""

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
    watched.telemetry.output_answers("alerts", "kafka must answer, is away")
    assert ready() == "output alerts: kafka must answer, is away"
    watched.telemetry.output_answers("alerts", None)
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
