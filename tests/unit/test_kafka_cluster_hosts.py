"""Where the brokers of a topic are: the look at their hosts that refuses plaintext to other machines."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError
from pynomaly_connectors.kafka.cluster import check_hosts


@dataclass(frozen=True)
class _Node:
    host: str | None


@dataclass(frozen=True)
class _Partition:
    replicas: tuple[_Node, ...]


@dataclass(frozen=True)
class _Description:
    """What the client tells of a topic, as far as it is looked at."""

    partitions: tuple[_Partition, ...]


def _on(*hosts: str | None) -> _Description:
    return _Description((_Partition(tuple(map(_Node, hosts))),))


def test_a_replica_whose_broker_is_down_has_no_host() -> None:
    """The client knows the number of such a broker only; the start goes on beside it."""
    source = KafkaSource(kind="kafka", bootstrap="127.0.0.1:9092", topic="readings")
    check_hosts(source, _on("127.0.0.1", None, ""))
    with pytest.raises(ConfigError, match=r"security\.allow_plaintext"):
        check_hosts(source, _on(None, "broker.example"))
