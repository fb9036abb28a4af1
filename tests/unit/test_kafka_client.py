"""Settings for librdkafka: what an operator may change, and what they may not."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import Consumer, KafkaError, Producer

from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import AccessError, ConfigError, TransientError
from pynomaly_connectors.kafka.client import RESERVED, connect, consumer_settings, producer_settings
from pynomaly_connectors.kafka.native.feed import divided
from pynomaly_connectors.kafka.trouble import Trouble


def source(**client: str | float) -> KafkaSource:
    """Return a source with settings of the operator."""
    named = {name.replace("_", "."): value for name, value in client.items()}
    return KafkaSource(kind="kafka", bootstrap="localhost:9092", topic="records", timeout_s=20, client=named)


def sink(**client: str | float) -> KafkaSink:
    """Return a sink with settings of the operator."""
    named = {name.replace("_", "."): value for name, value in client.items()}
    return KafkaSink(kind="kafka", bootstrap="localhost:9092", topic="alerts", client=named)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_reader_never_jumps_and_never_commits_by_itself() -> None:
    """A lost offset is an error, and offsets are committed only behind a checkpoint."""
    settings = consumer_settings(source())
    assert settings["auto.offset.reset"] == "error"
    assert settings["enable.auto.commit"] is False
    assert settings["bootstrap.servers"] == "localhost:9092"


def test_the_group_is_the_operators() -> None:
    """Lag tools find the flow under the name that its specification gives."""
    given = source().model_copy(update={"group": "pumps"})
    assert consumer_settings(given)["group.id"] == "pumps"


def test_a_producer_waits_for_all_replicas_without_repeating() -> None:
    """Five minutes of retries, in order, each message once."""
    settings = producer_settings(sink())
    assert (settings["acks"], settings["enable.idempotence"]) == ("all", True)
    assert settings["delivery.timeout.ms"] == 300_000


def test_preferences_give_way_to_the_operator() -> None:
    """Buffers and waits are theirs to set."""
    assert consumer_settings(source(fetch_wait_max_ms=500))["fetch.wait.max.ms"] == 500


@pytest.mark.parametrize("key", RESERVED)
def test_what_correctness_needs_is_not_the_operators(key: str) -> None:
    """A setting that would break a promise is refused by name, even with a harmless value."""
    given = {key: "all"}
    for settings in (lambda: consumer_settings(source(**given)), lambda: producer_settings(sink(**given))):
        with pytest.raises(ConfigError, match=rf"^client\.{key}: must not be set: .+"):
            settings()


def test_all_reserved_keys_are_told_at_once() -> None:
    """One look at the error is enough to mend the file."""
    with pytest.raises(ConfigError) as refused:
        consumer_settings(source(acks="1", group_id="g"))
    assert [problem.path for problem in refused.value.problems] == ["client.acks", "client.group.id"]


@pytest.mark.parametrize(
    ("client", "settings"), [(Consumer, consumer_settings(source())), (Producer, producer_settings(sink()))]
)
def test_our_settings_are_known_to_the_library(client: type, settings: dict[str, object]) -> None:
    """Librdkafka takes every one of them."""
    connect(client, settings).close()


def test_a_setting_unknown_to_the_library_is_named() -> None:
    """A typing error is told before anything starts."""
    with pytest.raises(ConfigError, match=r'client: must hold librdkafka settings, was refused: .*"fetch\.wiat"'):
        connect(Consumer, consumer_settings(source(fetch_wiat=1)))


def test_an_outage_is_an_error_only_after_the_allowed_time() -> None:
    """Brokers restart; a flow waits for them as long as its specification says, from the first report on."""
    clock = Clock()
    trouble = Trouble(source(), clock)
    trouble.raise_outage()
    trouble.report(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    clock.now += 19.9
    trouble.report(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    trouble.raise_outage()
    clock.now += 0.1
    with pytest.raises(TransientError, match=r"localhost:9092 must answer within 20 s, was silent \(1/1 brokers"):
        trouble.raise_outage()


def test_a_sign_of_life_ends_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """The next outage has its own time, and the log tells of beginning and end."""
    clock = Clock()
    trouble = Trouble(source(), clock)
    with caplog.at_level(logging.WARNING):
        trouble.report(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        clock.now += 30
        trouble.clear()
        trouble.clear()
    trouble.raise_outage()
    assert not trouble.present
    told = [(record.message, vars(record)["bootstrap"]) for record in caplog.records]
    assert told == [("kafka_brokers_unreachable", "localhost:9092"), ("kafka_brokers_reachable", "localhost:9092")]
    assert vars(caplog.records[0])["error"] == "Local: All broker connections are down"


@pytest.mark.parametrize("code", [KafkaError._AUTHENTICATION, KafkaError._SSL])
def test_refused_credentials_are_told_at_once(code: int) -> None:
    """They never raise and never appear among the messages: only the error callback hears of them."""
    trouble = Trouble(source())
    trouble.report(KafkaError(code, "no such user"))
    with pytest.raises(AccessError, match=r"must accept this client, was refused: no such user; check the section"):
        trouble.raise_refusal()


def test_a_lost_connection_alone_is_no_trouble() -> None:
    """One broker of several may go away."""
    trouble = Trouble(source())
    trouble.report(KafkaError(KafkaError._TRANSPORT, "Connection refused"))
    assert not trouble.present
    assert "Connection refused" in trouble.silence()


@pytest.mark.parametrize(
    ("kbytes", "partitions", "each"),
    [(65_536, 1, 65_536), (65_536, 4, 16_384), (65_536, 100, 1_024), (512, 1, 512), (512, 100, 512)],
)
def test_what_is_fetched_ahead_is_divided_among_the_queues(kbytes: int, partitions: int, each: int) -> None:
    """64 MiB in all, or 1 MiB a partition if that is more, as docs/dead-letters.md says; an operator may give less."""
    settings = divided({"queued.min.messages": 200_000, "queued.max.messages.kbytes": kbytes}, partitions)
    assert settings["queued.max.messages.kbytes"] == each
