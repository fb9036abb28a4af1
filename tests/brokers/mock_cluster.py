"""librdkafka's own mock cluster: brokers in this process whose faults a test can order.

The `confluent-kafka` package exports the functions (`rdkafka_mock.h`) but does not wrap them. The cluster
speaks the protocol over loopback; it has no admin API, no transactions' isolation and keeps 5 MB a partition.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int16, c_int32, c_size_t, c_void_p
from functools import cache
from pathlib import Path

import confluent_kafka.cimpl

PRODUCER = 0
_SIGNATURES = {
    "rd_kafka_conf_new": (c_void_p, []),
    "rd_kafka_conf_set": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]),
    "rd_kafka_new": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
    "rd_kafka_destroy": (None, [c_void_p]),
    "rd_kafka_mock_cluster_new": (c_void_p, [c_void_p, c_int]),
    "rd_kafka_mock_cluster_destroy": (None, [c_void_p]),
    "rd_kafka_mock_cluster_bootstraps": (c_char_p, [c_void_p]),
    "rd_kafka_mock_topic_create": (c_int, [c_void_p, c_char_p, c_int, c_int]),
    "rd_kafka_mock_set_controller_id": (c_int, [c_void_p, c_int32]),
    "rd_kafka_mock_topic_delete": (c_int, [c_void_p, c_char_p]),
    "rd_kafka_mock_push_request_errors_array": (c_int, [c_void_p, c_int16, c_size_t, POINTER(c_int)]),
    "rd_kafka_mock_partition_set_leader": (c_int, [c_void_p, c_char_p, c_int32, c_int32]),
    "rd_kafka_mock_broker_set_rtt": (c_int, [c_void_p, c_int32, c_int]),
    "rd_kafka_mock_broker_set_down": (c_int, [c_void_p, c_int32]),
    "rd_kafka_mock_broker_set_up": (c_int, [c_void_p, c_int32]),
}


class MockCluster:
    """A cluster of ``brokers`` mock brokers numbered from 1."""

    def __init__(self, brokers: int = 1) -> None:
        self._brokers = range(1, brokers + 1)
        self._library = _librdkafka()
        text = ctypes.create_string_buffer(512)
        configuration = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"0", text, len(text))
        self._client = self._library.rd_kafka_new(PRODUCER, configuration, text, len(text))
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        # Without a controller a client may ask for metadata, but not for the description of a topic.
        self._check(self._library.rd_kafka_mock_set_controller_id(self._cluster, 1))

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        servers: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return servers.decode()

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create a topic."""
        self._check(self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic with its records."""
        self._check(self._library.rd_kafka_mock_topic_delete(self._cluster, topic.encode()))

    def fail_requests(self, api: int, *errors: int) -> None:
        """Answer the next requests of an API (Kafka's api key) with these error codes, one each."""
        codes = (c_int * len(errors))(*errors)
        self._check(self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api, len(errors), codes))

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Make a broker the leader of a partition."""
        call = self._library.rd_kafka_mock_partition_set_leader
        self._check(call(self._cluster, topic.encode(), partition, broker))

    def answer_after(self, milliseconds: int) -> None:
        """Let every broker take that long for every answer from now on."""
        for broker in self._brokers:
            self._check(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds))

    def go_down(self) -> None:
        """Close every connection and refuse new ones."""
        for broker in self._brokers:
            self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def come_up(self) -> None:
        """Accept connections again."""
        for broker in self._brokers:
            self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def close(self) -> None:
        """Destroy the cluster and its client."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def _check(self, code: int) -> None:
        if code != 0:
            raise AssertionError(f"mock cluster call must succeed, was error {code}")


@cache
def _librdkafka() -> ctypes.CDLL:
    """Load the library that the extension module uses, with the signatures that we call."""
    package = Path(confluent_kafka.cimpl.__file__).parent
    found = sorted(package.parent.glob("confluent_kafka.libs/librdkafka*")) or sorted(
        package.glob(".dylibs/librdkafka*")
    )
    library = ctypes.CDLL(str(found[0]))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
