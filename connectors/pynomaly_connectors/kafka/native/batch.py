"""Messages that librdkafka still owns, and the columns that are made of them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload
from weakref import finalize

import numpy as np
from confluent_kafka import KafkaError

from pynomaly.domain.record import ByteColumn, Int64Column
from pynomaly_connectors.codecs.payload import FixedHeader, Headers, RawBatch
from pynomaly_connectors.kafka.native import memory
from pynomaly_connectors.kafka.native.library import NativeMessage, address_of, librdkafka
from pynomaly_connectors.kafka.native.memory import KEY_AT, KEY_LENGTH_AT, LENGTH_AT, NO_RECORD, PAYLOAD_AT, Addresses


@dataclass(frozen=True, slots=True)
class MessageKernels:
    """The compiled functions of `memory`; a caller with a cache of compiled code hands in its own copies."""

    measure: Callable[..., int] = memory.measure
    gather: Callable[..., None] = memory.gather
    destroy: Callable[..., None] = memory.destroy
    read_timestamps: Callable[..., None] = memory.read_timestamps
    have_headers: Callable[..., None] = memory.have_headers
    find_header: Callable[..., None] = memory.find_header


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that stands among the messages of a partition."""

    error: KafkaError
    offset: int


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Payloads or keys of a batch in one buffer."""

    data: ByteColumn
    start: Int64Column
    length: Int64Column

    def row(self, row: int) -> bytes | None:
        begin, length = int(self.start[row]), int(self.length[row])
        return None if length < 0 else self.data[begin : begin + length].tobytes()


class MessageLease:
    """``n`` messages on loan; they go back when nobody holds the lease any more, or at `release`.

    Keys, headers and timestamps are read where they lie when somebody asks for them, which for most flows is never.

    Parameters
    ----------
    messages
        ``(n,)`` addresses.
    kernels
        What copies and gives back.
    """

    def __init__(self, messages: Addresses, kernels: MessageKernels) -> None:
        self._library = librdkafka()
        self._messages = messages
        self._kernels = kernels
        self._key_bytes: _Bytes | None = None
        destroy = address_of(self._library.rd_kafka_message_destroy)
        self._give_back = finalize(self, kernels.destroy, messages, len(messages), destroy)
        self._give_back.atexit = False  # then the process goes, and the library with it

    def __len__(self) -> int:
        return len(self._messages)

    def release(self) -> None:
        """Give the messages back now; keys and headers that nobody has asked for are gone."""
        self._messages = self._messages[:0]
        self._give_back()

    def columns(self) -> tuple[RawBatch, list[Fault]]:
        """Copy the payloads; errors among the messages come apart."""
        payloads, offset = self._copied(PAYLOAD_AT, LENGTH_AT)
        rows = np.flatnonzero(payloads.length != NO_RECORD)
        keys = _Keys(self, rows)
        start, length = payloads.start[rows], payloads.length[rows]
        beside = (keys, keys.headers, keys.timestamps, keys.find_header, keys.all_headers)
        raw = RawBatch(payloads.data, start, length, offset[rows], *beside)
        faults = np.flatnonzero(payloads.length == NO_RECORD).tolist()
        return raw, [self._fault(row) for row in faults]

    def key(self, row: int) -> bytes | None:
        """Return one key; all are copied at the first question."""
        return self._keys().row(row)

    def headers(self, row: int) -> Headers:
        """Return the headers of one message."""
        held = ctypes.c_void_p()
        if self._library.rd_kafka_message_headers(int(self._messages[row]), ctypes.byref(held)) != 0:
            return ()
        found: list[tuple[str, bytes | None]] = []
        name, value, size = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.c_size_t()
        places = (ctypes.byref(name), ctypes.byref(value), ctypes.byref(size))
        while self._library.rd_kafka_header_get_all(held, len(found), *places) == 0:
            content = None if value.value is None else ctypes.string_at(value.value, size.value)
            found.append(((name.value or b"").decode(errors="replace"), content))
        return tuple(found)

    def keys(self) -> list[bytes | None]:
        """Return all keys; costs about 0.1 us each."""
        held = self._keys()
        data, start, length = held.data.tobytes(), held.start.tolist(), held.length.tolist()
        return [None if size < 0 else data[begin : begin + size] for begin, size in zip(start, length, strict=True)]

    def all_headers(self) -> list[Headers]:
        """Return the headers of all messages; costs one call of C for a message without any."""
        found = np.zeros(len(self._messages), np.uint8)
        function = address_of(self._library.rd_kafka_message_headers)
        self._kernels.have_headers(self._messages, len(self._messages), function, found)
        return [self.headers(row) if has_some else () for row, has_some in enumerate(found.tolist())]

    def find_header(self, name: str, size: int) -> FixedHeader:
        """Return the last header of a name in every message, where it has ``size`` bytes; costs two calls of C each."""
        count = len(self._messages)
        data, found = np.zeros((count, size), np.uint8), np.zeros(count, np.uint8)
        functions = (self._library.rd_kafka_message_headers, self._library.rd_kafka_header_get_last)
        text = np.frombuffer(name.encode() + b"\0", np.uint8)
        self._kernels.find_header(self._messages, count, *map(address_of, functions), text, data, found)
        return data, found.astype(np.bool_)

    def timestamps(self) -> Int64Column:
        """Return the timestamps of all messages [ms], -1 where there is none; costs one call of C a message."""
        times_ms = np.empty(len(self._messages), np.int64)
        function = address_of(self._library.rd_kafka_message_timestamp)
        self._kernels.read_timestamps(self._messages, len(self._messages), function, times_ms)
        return times_ms

    def _keys(self) -> _Bytes:
        if self._key_bytes is None:
            self._key_bytes, _ = self._copied(KEY_AT, KEY_LENGTH_AT)
        return self._key_bytes

    def _copied(self, at: int, length_at: int) -> tuple[_Bytes, Int64Column]:
        count = len(self._messages)
        length, offset, start = (np.empty(count, np.int64) for _ in range(3))
        total = self._kernels.measure(self._messages, count, at, length_at, length, offset)
        data = np.empty(total, np.uint8)
        self._kernels.gather(self._messages, count, at, length, start, data)
        data.flags.writeable = False
        return _Bytes(data, start, length), offset

    def _fault(self, row: int) -> Fault:
        address = int(self._messages[row])
        message = NativeMessage.from_address(address)
        text = self._library.rd_kafka_message_errstr(address) or b""
        return Fault(KafkaError(message.err, text.decode(errors="replace")), message.offset)


class _Keys(Sequence[bytes | None]):
    """Keys, headers and timestamps of the messages that are records."""

    def __init__(self, lease: MessageLease, rows: Int64Column) -> None:
        self._lease = lease
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, row: int) -> bytes | None: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[bytes | None]: ...
    def __getitem__(self, row: int | slice) -> bytes | Sequence[bytes | None] | None:
        if isinstance(row, slice):
            return _Keys(self._lease, self._rows[row])
        return self._lease.key(int(self._rows[row]))

    def __iter__(self) -> Iterator[bytes | None]:
        keys = self._lease.keys()
        return (keys[row] for row in self._rows.tolist())

    def headers(self, row: int) -> Headers:
        """Return what else stands beside a payload."""
        return self._lease.headers(int(self._rows[row]))

    def all_headers(self) -> list[Headers]:
        """Return what else stands beside the payloads."""
        headers = self._lease.all_headers()
        return [headers[row] for row in self._rows.tolist()]

    def find_header(self, name: str, size: int) -> FixedHeader:
        """Return a header of fixed width; of a batch, never of a part of one."""
        data, found = self._lease.find_header(name, size)
        return data[self._rows], found[self._rows]

    def timestamps(self) -> Int64Column:
        """Return the timestamps of the messages [ms]; of a batch, never of a part of one."""
        return self._lease.timestamps()[self._rows]


def kernels_of(entry: Callable[[Any], Any]) -> MessageKernels:
    """Return the kernels as a cache of compiled code gives them."""
    copying = (memory.measure, memory.gather, memory.destroy, memory.read_timestamps)
    return MessageKernels(*map(entry, (*copying, memory.have_headers, memory.find_header)))
