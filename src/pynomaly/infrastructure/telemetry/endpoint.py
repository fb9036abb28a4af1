"""The HTTP endpoint that Prometheus and health checks ask: /metrics, /healthz and /ready."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, cast

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pynomaly.domain.error import ConfigError, Problem

Health = Callable[[], str | None]

#: Connections served at once; more are closed unanswered, so that nobody can fill the process with threads.
MAX_CONNECTIONS: Final = 16
_CLIENT_TIMEOUT_S = 5.0
_STOP_POLL_S = 0.1
_SETTING = "metrics.listen"
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:/\[\]]+)):(?P<port>\d{1,5})", re.ASCII)
_MAX_PORT = 65_535


class MetricsEndpoint:
    """Serves a registry over HTTP from a thread of its own, from construction to `stop`.

    Parameters
    ----------
    listen
        `host:port`; port 0 takes a free one, an IPv6 host stands in brackets.
    registry
        What /metrics shows.
    problem
        What /healthz asks: a sentence says what is wrong (503), None that nothing is (200).
    hindrance
        What /ready asks, in the same way.

    Raises
    ------
    ConfigError
        When the address is not one or cannot be listened on.
    """

    def __init__(self, listen: str, registry: CollectorRegistry, problem: Health, hindrance: Health) -> None:
        self._server = _bind(listen, registry, {"/healthz": problem, "/ready": hindrance})
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_POLL_S,), name="metrics-endpoint", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, as `http://host:port`."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def stop(self) -> None:
        """Close the port within a fifth of a second; may be called twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _bind(listen: str, registry: CollectorRegistry, checks: Mapping[str, Health]) -> _Server:
    host, port = _split(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _Server(family, address, registry, checks)
    except OSError as error:
        rule = f"must be an address that this machine can listen on, was {listen!r}: {error.strerror}"
        raise ConfigError(Problem(_SETTING, f"{rule}; stop what listens there or choose another")) from error


def _split(listen: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(listen)
    if match is None or int(match["port"]) > _MAX_PORT:
        raise ConfigError(Problem(_SETTING, f"must be <host>:<port>, such as 127.0.0.1:9464, was {listen!r}"))
    return match["ipv6"] or match["host"], int(match["port"])


class _Server(ThreadingHTTPServer):
    """A server whose threads are counted."""

    allow_reuse_port = False

    def __init__(self, family: int, address: Any, registry: CollectorRegistry, checks: Mapping[str, Health]) -> None:
        self.address_family = family
        self.registry = registry
        self.checks = checks
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up in the middle is its own business."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; HTTP/1.0, so that every connection ends with its answer."""

    timeout = _CLIENT_TIMEOUT_S
    server_version = "pynomaly"
    sys_version = ""

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        match self.path.partition("?")[0]:
            case "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, content_type, encode(server.registry))
            case path if path in server.checks:
                self._answer_check(server.checks[path]())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"ask /metrics, /healthz or /ready\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a scrape every few seconds is no news."""

    def _answer_check(self, problem: str | None) -> None:
        status = HTTPStatus.OK if problem is None else HTTPStatus.SERVICE_UNAVAILABLE
        body = {"status": "ok"} if problem is None else {"status": "failing", "problem": problem}
        self._answer(status, "application/json", json.dumps(body).encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
