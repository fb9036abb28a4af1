"""A bad network on loopback: toxiproxy between clients and one broker, built by Go from its module."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from brokers.apache_kafka import PROPERTIES, ApacheKafka, ToolMissingError, die_with_parent, free_ports

VERSION: Final = "v2.5.0"
_MODULE: Final = f"github.com/Shopify/toxiproxy/v2/cmd/server@{VERSION}"
_BUILD_S: Final = 300.0
_START_S: Final = 20.0
_PROXY: Final = "kafka"
_TOXIC: Final = "toxic"
_LISTENERS: Final = {
    "listeners": "DIRECT://127.0.0.1:{port},PROXIED://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{controller_port}",
    "advertised.listeners": "DIRECT://127.0.0.1:{port},PROXIED://127.0.0.1:{ports[1]}",
    "inter.broker.listener.name": "DIRECT",
    "listener.security.protocol.map": "DIRECT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
}


class ProxiedKafka:
    """One broker with two ways in: a direct one for the test, and one over a network that the test makes bad.

    A client follows the address that a broker advertises, so the proxy's is that of a listener of its own.

    Parameters
    ----------
    folder
        Empty folder.
    """

    def __init__(self, folder: Path) -> None:
        program = _built()
        self.broker = ApacheKafka(folder, _properties(), further_ports=2)
        listener, self._port = self.broker.ports
        (control,) = free_ports(1)
        self._api = f"http://127.0.0.1:{control}"
        with (folder / "toxiproxy.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-host", "127.0.0.1", "-port", str(control)],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only a system call between fork and exec
            )
        _await_port(control)
        proxy = {"name": _PROXY, "listen": f"127.0.0.1:{self._port}", "upstream": f"127.0.0.1:{listener}"}
        self._ask("POST", "/proxies", proxy)

    @property
    def bootstrap(self) -> str:
        """Where clients connect over the proxy."""
        return f"127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        """What the broker has written, for a failed test."""
        return self.broker.log

    def start(self) -> None:
        """Start the broker; the proxy runs from construction on."""
        self.broker.start()

    def kill(self) -> None:
        """End broker and proxy."""
        self.broker.kill()
        self._process.kill()
        self._process.wait()

    @contextmanager
    def toxic(self, kind: str, stream: str = "downstream", **attributes: int) -> Generator[None]:
        """Make the network bad for the length of a block: `latency`, `timeout`, `reset_peer` or `bandwidth`."""
        body = {"name": _TOXIC, "type": kind, "stream": stream, "attributes": attributes}
        self._ask("POST", f"/proxies/{_PROXY}/toxics", body)
        try:
            yield
        finally:
            self._ask("DELETE", f"/proxies/{_PROXY}/toxics/{_TOXIC}")

    @contextmanager
    def cut(self) -> Generator[None]:
        """Close every connection and refuse new ones for the length of a block."""
        self._ask("POST", f"/proxies/{_PROXY}", {"enabled": False})
        try:
            yield
        finally:
            self._ask("POST", f"/proxies/{_PROXY}", {"enabled": True})

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        content = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self._api}{path}", content, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(asked, timeout=_START_S):  # noqa: S310 - loopback
            pass


def _properties() -> str:
    lines = [line for line in PROPERTIES.splitlines() if line.partition("=")[0] not in _LISTENERS]
    return "\n".join([*lines, *(f"{name}={value}" for name, value in _LISTENERS.items()), ""])


def _built() -> Path:
    """Return the program, built once for a version."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pynomaly-tests"
    folder = cache / f"toxiproxy-{VERSION}"
    program = folder / "server"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise ToolMissingError("go must be on the PATH to build toxiproxy (install Go 1.18 or newer)")
    fresh = cache / f"{folder.name}.{os.getpid()}"
    environment = {**os.environ, "GOBIN": str(fresh)}
    command = [go, "install", _MODULE]
    built = subprocess.run(
        command, capture_output=True, text=True, timeout=_BUILD_S, check=False, env=environment, cwd=cache.parent
    )
    if built.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ToolMissingError(f"Go must build toxiproxy, failed:\n{built.stdout}{built.stderr}")
    try:
        fresh.rename(folder)
    except OSError:  # another run was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return program


def _await_port(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            assert time.monotonic() < deadline, f"toxiproxy must listen within {_START_S:g} s"
            time.sleep(0.02)
        else:
            return
