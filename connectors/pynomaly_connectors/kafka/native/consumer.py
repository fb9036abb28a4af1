"""One librdkafka consumer that assigns its partitions itself, each with a queue of its own.

librdkafka's threads fetch ahead into the queues; taking from one is a call without a wait, a lock of ours or a Python
object for each message. Errors, commit results and log lines come as events on the consumer's own queue, which
`NativeConsumer.serve` empties: there is no callback, so nothing of ours runs on a thread of the library.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final
from weakref import WeakSet

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from pynomaly_connectors.kafka.client import refused_setting
from pynomaly_connectors.kafka.native.batch import MessageKernels, MessageLease
from pynomaly_connectors.kafka.native.library import librdkafka

_CONSUMER: Final = 1
_TEXT_BYTES: Final = 512
_LOG, _ERROR, _OFFSET_COMMIT = 0x4, 0x8, 0x20
_NO_OFFSET_STORED: Final = KafkaError._NO_OFFSET  # noqa: SLF001 - public, but carries librdkafka's underscore


class NativeConsumer:
    """A consumer handle; every method may be called by one thread at a time.

    Parameters
    ----------
    settings
        librdkafka's, as `confluent_kafka.Consumer` takes them; none of them a callback.
    on_error
        Told of errors that belong to no call: brokers away, credentials refused.
    on_commit
        Told of the result of each commit that failed.
    on_log
        Told of the library's log lines.
    kernels
        What copies messages and gives them back.

    Raises
    ------
    ConfigError
        When librdkafka refuses a setting.
    """

    def __init__(
        self,
        settings: Mapping[str, object],
        on_error: Callable[[KafkaError], None],
        on_commit: Callable[[KafkaError], None],
        on_log: Callable[[str], None],
        kernels: MessageKernels,
    ) -> None:
        self._library = librdkafka()
        self._kernels = kernels
        self._on_error, self._on_commit, self._on_log = on_error, on_commit, on_log
        self._handle: int = self._open({**settings, "log.queue": True})
        self._library.rd_kafka_poll_set_consumer(self._handle)
        self._events: int = self._library.rd_kafka_queue_get_consumer(self._handle)
        self._library.rd_kafka_set_log_queue(self._handle, self._events)
        self._queues: dict[tuple[str, int], int] = {}
        self._leases: WeakSet[MessageLease] = WeakSet()

    def watermarks(self, topic: str, partition: int, timeout_s: float) -> tuple[int, int]:
        """Ask the broker for the first offset that it holds and the one after the last.

        Raises
        ------
        KafkaException
            When it refuses or does not answer in time.
        """
        low, high = ctypes.c_int64(), ctypes.c_int64()
        wait_ms = round(timeout_s * 1000)
        self._check(
            self._library.rd_kafka_query_watermark_offsets(
                self._handle, topic.encode(), partition, ctypes.byref(low), ctypes.byref(high), wait_ms
            )
        )
        return low.value, high.value

    def known_watermarks(self, topic: str, partition: int) -> tuple[int, int] | None:
        """Return what `watermarks` asks for as the last fetch told it; None before the first one. Never blocks."""
        low, high = ctypes.c_int64(), ctypes.c_int64()
        code = self._library.rd_kafka_get_watermark_offsets(
            self._handle, topic.encode(), partition, ctypes.byref(low), ctypes.byref(high)
        )
        return (low.value, high.value) if code == 0 and high.value >= 0 else None

    def assign(self, topic: str, partition: int, offset: int) -> None:
        """Begin to fetch a partition from an offset."""
        queue = self._library.rd_kafka_queue_get_partition(self._handle, topic.encode(), partition)
        self._library.rd_kafka_queue_forward(queue, None)
        with self._places(topic, partition, offset) as places:
            self._raise(self._library.rd_kafka_incremental_assign(self._handle, places))
        self._queues[topic, partition] = queue

    def take(self, topic: str, partition: int, most: int) -> MessageLease | None:
        """Return up to ``most`` messages or errors of an assigned partition that are here, or None; never waits."""
        messages = np.empty(most, np.int64)
        queue = self._queues[topic, partition]
        count = self._library.rd_kafka_consume_batch_queue(queue, 0, messages.ctypes.data, most)
        if count <= 0:
            return None
        lease = MessageLease(messages[:count], self._kernels)
        self._leases.add(lease)
        return lease

    def unassign(self, topic: str, partition: int) -> None:
        """Stop fetching a partition; what was taken stays. May be called twice."""
        queue = self._queues.pop((topic, partition), None)
        if queue is not None:
            with self._places(topic, partition) as places:
                self._raise(self._library.rd_kafka_incremental_unassign(self._handle, places))
            self._library.rd_kafka_queue_destroy(queue)

    def commit(self, topic: str, partition: int, offset: int) -> None:
        """Send a group offset on its way; a failure comes to ``on_commit``."""
        with self._places(topic, partition, offset) as places:
            code = self._library.rd_kafka_commit(self._handle, places, 1)
        if code != 0:
            self._on_commit(self._error(code))

    def serve(self) -> None:
        """Hand out the events that have come since the last call; takes about 1 us when there are none."""
        while event := self._library.rd_kafka_queue_poll(self._events, 0):
            try:
                self._hand_out(event)
            finally:
                self._library.rd_kafka_event_destroy(event)

    def close(self) -> None:
        """Send the commits that are on their way and give back every message; may be called twice."""
        if self._handle == 0:
            return
        for lease in self._leases:
            lease.release()
        while self._queues:
            self._library.rd_kafka_queue_destroy(self._queues.popitem()[1])
        self._library.rd_kafka_consumer_close(self._handle)
        self._library.rd_kafka_queue_destroy(self._events)
        self._library.rd_kafka_destroy(self._handle)
        self._handle = 0

    def _open(self, settings: Mapping[str, object]) -> int:
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        configuration = self._library.rd_kafka_conf_new()
        for name, value in settings.items():
            written = str(value).lower() if isinstance(value, bool) else str(value)
            if self._library.rd_kafka_conf_set(configuration, name.encode(), written.encode(), text, len(text)) != 0:
                self._library.rd_kafka_conf_destroy(configuration)
                raise refused_setting(text.value.decode(), settings)
        self._library.rd_kafka_conf_set_events(configuration, _LOG | _ERROR | _OFFSET_COMMIT)
        handle: int | None = self._library.rd_kafka_new(_CONSUMER, configuration, text, len(text))
        if handle is None:
            self._library.rd_kafka_conf_destroy(configuration)
            raise refused_setting(text.value.decode(), settings)
        return handle

    def _hand_out(self, event: int) -> None:
        kind = self._library.rd_kafka_event_type(event)
        if kind == _LOG:
            facility, line, level = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_int()
            self._library.rd_kafka_event_log(event, ctypes.byref(facility), ctypes.byref(line), ctypes.byref(level))
            self._on_log((line.value or b"").decode(errors="replace"))
            return
        code = self._library.rd_kafka_event_error(event)
        if code in (0, _NO_OFFSET_STORED):
            return
        error = self._error(code, self._library.rd_kafka_event_error_string(event))
        (self._on_error if kind == _ERROR else self._on_commit)(error)

    @contextmanager
    def _places(self, topic: str, partition: int, offset: int | None = None) -> Generator[int]:
        places = self._library.rd_kafka_topic_partition_list_new(1)
        try:
            self._library.rd_kafka_topic_partition_list_add(places, topic.encode(), partition)
            if offset is not None:
                self._library.rd_kafka_topic_partition_list_set_offset(places, topic.encode(), partition, offset)
            yield places
        finally:
            self._library.rd_kafka_topic_partition_list_destroy(places)

    def _check(self, code: int) -> None:
        if code != 0:
            raise KafkaException(self._error(code))

    def _raise(self, failure: int | None) -> None:
        """Raise an `rd_kafka_error_t`, if there is one."""
        if failure is None:
            return
        code, text = self._library.rd_kafka_error_code(failure), self._library.rd_kafka_error_string(failure)
        error = self._error(code, text)
        self._library.rd_kafka_error_destroy(failure)
        raise KafkaException(error)

    def _error(self, code: int, text: bytes | None = None) -> KafkaError:
        told = self._library.rd_kafka_err2str(code) if text is None else text
        return KafkaError(code, told.decode(errors="replace"))
