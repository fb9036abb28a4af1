"""Brokers for the tests that need one, and what all tests share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import pytest
from hypothesis import settings

from brokers.apache_kafka import ApacheKafka, ToolMissingError
from brokers.apicurio import Apicurio
from brokers.kafka_cluster import KafkaCluster
from brokers.kafka_topics import KafkaTopics
from brokers.mock_cluster import MockCluster
from brokers.secured_kafka import SecuredKafka
from brokers.toxiproxy import ProxiedKafka
from e2e.job import Program
from pynomaly_connectors.kafka import source as kafka_source
from pynomaly_connectors.kafka.native.library import LibraryMissingError
from pynomaly_connectors.memory import Broker, broker, reset_brokers

pytest_plugins = ("fault_table",)

_LOG_CHARACTERS = 10_000
_running: list[ApacheKafka | KafkaCluster | ProxiedKafka | SecuredKafka] = []
KafkaT = TypeVar("KafkaT", ApacheKafka, KafkaCluster, ProxiedKafka, SecuredKafka)
_BROKERS = {"kafka", "own_kafka", "three_brokers", "proxied_kafka", "secured_kafka"}

settings.register_profile("unhurried", deadline=None)  # the first example compiles a kernel, which takes seconds
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaTopics]:
    """A real Apache Kafka: the one at KAFKA_BOOTSTRAP, or one started on loopback for this run."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield KafkaTopics(given)
        return
    with _apache_kafka(tmp_path_factory.mktemp("kafka")) as started:
        yield KafkaTopics(started.bootstrap)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[ApacheKafka]:
    """A started Apache Kafka of the test's own, to kill, pause and restart."""
    with _apache_kafka(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three real brokers, to kill; a test leaves all of them running."""
    with _apache_kafka(tmp_path_factory.mktemp("cluster"), KafkaCluster) as cluster:
        yield cluster


@pytest.fixture
def proxied_kafka(tmp_path: Path) -> Iterator[ProxiedKafka]:
    """A broker of the test's own behind a network that can be made bad; it is not started, the network is up."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    with _apache_kafka(folder, ProxiedKafka, start=False) as proxied:
        yield proxied


@pytest.fixture(scope="session")
def apicurio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apicurio]:
    """A real Schema Registry, started on loopback for this run."""
    try:
        started = Apicurio(tmp_path_factory.mktemp("apicurio"))
    except ToolMissingError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run the tests against Apicurio: {missing}")
        pytest.skip(str(missing))
    try:
        started.await_ready()
        yield started
    finally:
        started.kill()


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A real Apache Kafka with TLS, log-ins and access control; each test works on topics and users of its own."""
    with _apache_kafka(tmp_path_factory.mktemp("secured"), SecuredKafka) as secured:
        yield secured


@pytest.fixture(scope="session")
def shared_mock_cluster() -> Iterator[MockCluster]:
    """A mock cluster for tests that order no faults: each works on topics of its own."""
    cluster = MockCluster()
    yield cluster
    cluster.close()


@pytest.fixture
def mock_cluster() -> Iterator[MockCluster]:
    """A mock cluster of the test's own, to break."""
    cluster = MockCluster()
    yield cluster
    cluster.close()


@pytest.fixture(params=["fast", "portable"])
def each_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read Kafka once by librdkafka's batch call, and once as where that cannot be called."""

    def missing(*_arguments: object, **_options: object) -> None:
        raise LibraryMissingError("this test reads with the portable reader")

    if request.param == "portable":
        monkeypatch.setattr(kafka_source, "NativeFeed", missing)


@pytest.fixture
def memory_broker() -> Iterator[Broker]:
    """The default in-memory broker, empty."""
    reset_brokers()
    yield broker()
    reset_brokers()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The program, running in the test's own folder; nothing of it survives the test."""
    started = Program(tmp_path)
    yield started
    started.close()


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Make names for topics and groups that no other test and no other run uses."""
    test = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:80]
    run = uuid.uuid4().hex[:8]
    return lambda what: f"{what}-{test}-{run}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: short ones at the end let all processes of a run finish together."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the running brokers wrote beside a failed test that used one."""
    report = yield
    names = getattr(item, "fixturenames", ())
    if report.failed and _BROKERS & set(names):
        report.sections += [("Apache Kafka's log", started.log[-_LOG_CHARACTERS:]) for started in _running]
    return report


class _apache_kafka(Generic[KafkaT]):  # noqa: N801 - a context manager, used as a function
    """Start a broker for a block; without its tools skip, or fail where CI promises them."""

    def __init__(self, folder: Path, kind: Callable[[Path], KafkaT] = ApacheKafka, *, start: bool = True) -> None:
        self._start = start
        try:
            self._broker = kind(folder)
        except ToolMissingError as missing:
            if os.environ.get("CI") == "true":
                pytest.fail(f"CI must run the tests against Apache Kafka: {missing}")
            pytest.skip(str(missing))

    def __enter__(self) -> KafkaT:
        _running.append(self._broker)
        if self._start:
            self._broker.start()
        return self._broker

    def __exit__(self, *_exception: object) -> None:
        self._broker.kill()
        _running.remove(self._broker)
