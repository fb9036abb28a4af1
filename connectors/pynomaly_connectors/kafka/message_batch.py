"""Messages of the client as one buffer of payloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from pynomaly.domain.record import Int64Column
from pynomaly_connectors.codecs.payload import Headers, RawBatch


def raw_batch(messages: list[Message]) -> RawBatch:
    """Join the payloads of one partition's messages; keys, headers and timestamps are read only when asked for."""

    def headers(row: int) -> Headers:
        return headers_of(messages[row])

    def timestamps() -> Int64Column:
        return np.fromiter(map(_timestamp_ms, messages), np.int64, len(messages))

    offset = np.fromiter(map(Message.offset, messages), np.int64, len(messages))
    return RawBatch.of(list(map(Message.value, messages)), offset, _Keys(messages), headers, timestamps)


class _Keys(Sequence[bytes | None]):
    """Message keys, read when asked for: most flows never do."""

    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, row: int) -> bytes | None: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[bytes | None]: ...
    def __getitem__(self, row: int | slice) -> bytes | Sequence[bytes | None] | None:
        return _Keys(self._messages[row]) if isinstance(row, slice) else self._messages[row].key()


def _timestamp_ms(message: Message) -> int:
    kind, time_ms = message.timestamp()
    return -1 if kind == TIMESTAMP_NOT_AVAILABLE else time_ms


def headers_of(message: Message) -> Headers:
    """Return the headers of a message in their order."""
    found = message.headers() or []
    pairs = found.items() if isinstance(found, dict) else found
    return tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)
