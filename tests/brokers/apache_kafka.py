"""A real Apache Kafka on loopback: a KRaft node, resolved by Maven, without containers.

The numbers in the configuration are choices for tests: short sessions let a killed broker come back in
two seconds instead of twelve, and the small cleaner buffer lets it live in a small heap.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

POM = Path(__file__).with_name("apache-kafka.pom.xml")
START_S = 60.0
STOP_S = 20.0
RESOLVE_S = 300.0
PORTS = (20_000, 32_000)
HEAP = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=10485760
log.cleaner.backoff.ms=100
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=100
"""


_picked: set[int] = set()


class ToolMissingError(Exception):
    """A tool that a real broker needs is not here; the text says what to install."""


class KafkaNode:
    """One node of a cluster, its data in a folder of its own; formatted from construction on.

    Parameters
    ----------
    folder
        Empty folder for configuration, data and log.
    port
        Where clients connect.
    properties
        Its configuration.
    format_options
        Further arguments for the formatting of its storage, the id of the cluster among them.
    """

    def __init__(self, folder: Path, port: int, properties: str, format_options: Sequence[str]) -> None:
        self._folder = folder
        self._port = port
        self._classpath = f"{_jars()}/*"
        self._process: subprocess.Popen[bytes] | None = None
        self._configuration = folder / "server.properties"
        self._configuration.write_text(properties)
        tool = ("kafka.tools.StorageTool", "format", "-c", str(self._configuration))
        self._formatting = self._java(*tool, *format_options)

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        """What the broker has written, for a failed test."""
        return (self._folder / "broker.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the broker and wait until it accepts connections."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start the broker."""
        self._formatting.wait(START_S)
        self._process = self._java("kafka.Kafka", str(self._configuration))

    def await_ready(self) -> None:
        """Wait until the launched broker accepts connections."""
        assert self._process is not None, "must be launched"
        deadline = time.monotonic() + START_S
        while not _accepts(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Apache Kafka must start within {START_S:g} s; its log:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut the broker down in order; its data stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Take the broker away as a crash does; its data stays."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let the broker hang with its connections open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self._signal(signal.SIGCONT)

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        java = _tool("java", "a Java 17 runtime")
        with (self._folder / "broker.log").open("ab") as log:
            return subprocess.Popen(
                [java, *HEAP, "-cp", self._classpath, *arguments],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only a system call between fork and exec
            )

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: int) -> None:
        self._signal(number)
        if self._process is not None:
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_S)


class ApacheKafka(KafkaNode):
    """A cluster of one broker.

    Parameters
    ----------
    folder
        Empty folder for configuration, data and log.
    properties
        Template of its configuration.
    format_options
        Further arguments for the formatting of its storage.
    further_ports
        How many more ports it listens on, `ports` in the template.
    """

    def __init__(
        self,
        folder: Path,
        properties: str = PROPERTIES,
        format_options: Sequence[str] = (),
        *,
        further_ports: int = 0,
    ) -> None:
        port, controller_port, *self.ports = free_ports(2 + further_ports)
        text = properties.format(port=port, controller_port=controller_port, folder=folder, ports=self.ports)
        super().__init__(folder, port, text, (cluster_id_option(), *format_options))


def cluster_id_option() -> str:
    """Make an id for a cluster, as an option of the formatting."""
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return f"--cluster-id={cluster_id}"  # with an equals sign, for an id may begin with a hyphen


def _jars() -> Path:
    """Return the folder of Kafka's jars, resolved once for a version of the POM."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pynomaly-tests"
    jars = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if jars.is_dir():
        return jars
    maven = _tool("mvn", "Maven 3.8 or newer")
    fresh = cache / f"{jars.name}.{os.getpid()}"
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
    resolved = subprocess.run(command, capture_output=True, text=True, timeout=RESOLVE_S, check=False)
    if resolved.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ToolMissingError(f"Maven must resolve Apache Kafka, failed:\n{resolved.stdout}{resolved.stderr}")
    try:
        fresh.rename(jars)
    except OSError:  # another run was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return jars


def _tool(name: str, what: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ToolMissingError(f"{name} must be on the PATH (install {what}), or set KAFKA_BOOTSTRAP to a broker")
    return path


def free_ports(count: int) -> list[int]:
    """Pick ports that nothing listens on, below those that the system hands to outgoing connections.

    None is picked twice: a broker may be killed, and wants its own again.
    """
    first, last = PORTS
    offset = os.getpid() * 7 % (last - first)
    candidates = [*range(first + offset, last), *range(first, first + offset)]
    picked = list(islice((port for port in candidates if port not in _picked and _is_free(port)), count))
    _picked.update(picked)
    return picked


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def die_with_parent() -> None:
    """Ask the kernel to end the broker with the test run, should that be killed (prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
