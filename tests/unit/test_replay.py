"""Replay opens and closes what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pynomaly.application.engine import Engine
from pynomaly.application.replay import replay
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.record import RecordBatch, Stream


@dataclass
class _Reader:
    """A partition without records that knows whether it is open."""

    stream: Stream = Stream("readings")  # noqa: RUF009 - frozen
    at_end: bool = True
    lag: int | None = 0
    is_open: bool = True

    def poll(self) -> RecordBatch | None:
        return None

    def position(self) -> bytes:
        return b""

    def confirm(self, position: bytes) -> None:
        """Remember nothing."""

    def close(self) -> None:
        self.is_open = False


@dataclass
class _Source:
    readers: list[_Reader] = field(default_factory=list[_Reader])
    partitions_may_go: bool = False
    partitions_may_come: bool = False

    def partitions(self) -> list[str]:
        return ["0"]

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> _Reader:  # noqa: ARG002 - the port's
        self.readers.append(_Reader())
        return self.readers[-1]


def test_a_reader_is_closed_when_there_is_no_engine() -> None:
    """An engine that cannot be made leaves no open input behind."""

    def no_engine(_stream: Stream) -> Engine:
        raise ConfigError(Problem("detectors", "must be known"))

    source = _Source()
    with pytest.raises(ConfigError):
        replay(source, no_engine, lambda _result: None)
    assert [reader.is_open for reader in source.readers] == [False]
