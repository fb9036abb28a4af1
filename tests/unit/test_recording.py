"""Recorded data sent at a rate: what goes out, when, and what looping does to time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from pynomaly.application.ports import Message
from pynomaly.domain.error import DeliveryError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly_connectors.recording import Pace, World, send

SECOND_NS = 1_000_000_000


class ManualWorld(World):
    """A world whose time passes only by sleeping."""

    def __init__(self, stop_after_s: float = 1e9) -> None:
        super().__init__()
        self.time_s = 0.0
        self._stop_after_s = stop_after_s

    def monotonic_s(self) -> float:
        """Return the time slept so far."""
        return self.time_s

    def now_ns(self) -> int:
        """Return a wall clock that began at 2020-09-13."""
        return 1_600_000_000 * SECOND_NS + round(self.time_s * SECOND_NS)

    def sleep(self, seconds: float) -> None:
        """Let time pass; ask the sender to stop when it is over."""
        self.time_s += seconds
        if self.time_s >= self._stop_after_s:
            self.stop()


@dataclass
class ListWriter:
    """A writer that keeps what it is given, and when it was flushed."""

    world: ManualWorld
    written: list[Message] = field(default_factory=list)
    flushed_at_s: list[float] = field(default_factory=list)
    refuses: bool = False

    def write(self, messages: Sequence[Message]) -> None:
        """Keep messages."""
        self.written += messages

    def flush(self) -> None:
        """Note the time; refuse if told so."""
        if self.refuses:
            raise DeliveryError("message must be delivered, was refused")
        self.flushed_at_s.append(self.world.time_s)

    def position(self) -> bytes:
        """Return nothing."""
        return b""

    def close(self) -> None:
        """Do nothing."""

    @property
    def records(self) -> list[dict[str, object]]:
        """The records written, parsed."""
        return [json.loads(message.value) for message in self.written]


@dataclass
class ListReader:
    """A reader of prepared batches."""

    stream: Stream
    batches: list[RecordBatch]
    lag: int | None = None
    closed: bool = False

    @property
    def at_end(self) -> bool:
        """Whether all batches were returned."""
        return not self.batches

    def poll(self) -> RecordBatch | None:
        """Return the next batch."""
        return self.batches.pop(0) if self.batches else None

    def position(self) -> bytes:
        """Return nothing."""
        return b""

    def confirm(self, position: bytes) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class ListSource:
    """A source of one stream for each list of batches of (time [s], value)."""

    def __init__(self, **streams: list[list[tuple[int, float]]]) -> None:
        self._streams = streams
        self.opened: list[ListReader] = []

    @property
    def partitions_may_go(self) -> bool:
        """A list keeps its partitions."""
        return False

    @property
    def partitions_may_come(self) -> bool:
        """Nor does one come."""
        return False

    def partitions(self) -> list[str]:
        """Return the names of the streams."""
        return list(self._streams)

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> ListReader:
        """Open a stream from its beginning."""
        assert bounded
        assert position is None
        stream = Stream(partition)
        reader = ListReader(stream, [batch_of(stream, rows) for rows in self._streams[partition]])
        self.opened.append(reader)
        return reader


def batch_of(stream: Stream, rows: list[tuple[int, float]]) -> RecordBatch:
    """Return a batch; a value that is NaN makes a refused row."""
    values = np.array([[value] for _, value in rows])
    return RecordBatch(
        stream,
        np.arange(len(rows)),
        np.array([time_s * SECOND_NS for time_s, _ in rows]),
        KeyColumn.of([b"key"] * len(rows)),
        values,
        np.where(np.isnan(values[:, 0]), np.uint8(Reason.NOT_FINITE), np.uint8(0)),
    )


def by_stream(batch: RecordBatch, _row: int) -> str:
    """Name a series by its stream."""
    return batch.stream.name


def test_records_carry_time_series_and_value() -> None:
    """A record is JSON with epoch milliseconds, keyed by its series; refused rows are skipped."""
    writer = ListWriter(ManualWorld())
    source = ListSource(pump=[[(10, 1.5), (11, float("nan")), (12, 2.5)]])
    assert send(source, by_stream, writer, Pace(100.0), writer.world) == 2
    assert [(message.key, message.value) for message in writer.written] == [
        (b"pump", b'{"ts":10000,"series":"pump","value":1.5}'),
        (b"pump", b'{"ts":12000,"series":"pump","value":2.5}'),
    ]
    assert source.opened[0].closed


def test_rate_is_kept() -> None:
    """400 records at 100 a second take four seconds, in bursts of what is due, and are checked every second."""
    writer = ListWriter(ManualWorld())
    source = ListSource(pump=[[(second, 0.0) for second in range(400)]])
    send(source, by_stream, writer, Pace(100.0), writer.world)
    assert writer.world.time_s == pytest.approx(4.0)
    assert len(writer.flushed_at_s) == 5 - 1
    assert np.diff(writer.flushed_at_s).max() <= 1.1


def test_slow_rates_send_one_by_one() -> None:
    """Two records a second leave half a second apart."""
    writer = ListWriter(ManualWorld(stop_after_s=0.4))
    source = ListSource(pump=[[(second, 0.0) for second in range(10)]])
    assert send(source, by_stream, writer, Pace(2.0), writer.world) == 1


def test_streams_take_turns() -> None:
    """Files are sent side by side, a batch of each in turn."""
    writer = ListWriter(ManualWorld())
    source = ListSource(a=[[(1, 0.0)], [(2, 0.0)], [(3, 0.0)]], b=[[(1, 0.0)]], empty=[])
    send(source, by_stream, writer, Pace(100.0), writer.world)
    assert [record["series"] for record in writer.records] == ["a", "b", "a", "a"]


def test_loop_goes_on_in_time() -> None:
    """Each lap begins one mean step after the end of the lap before, so that time never goes back."""
    writer = ListWriter(ManualWorld(stop_after_s=0.08))
    source = ListSource(pump=[[(100, 0.0), (110, 1.0), (120, 2.0)]])
    assert send(source, by_stream, writer, Pace(100.0, loop=True), writer.world) >= 7
    assert [record["ts"] for record in writer.records][:7] == [
        100_000, 110_000, 120_000, 130_000, 140_000, 150_000, 160_000,
    ]  # fmt: skip


def test_loop_over_nothing_ends() -> None:
    """A source without a usable record does not loop for ever."""
    writer = ListWriter(ManualWorld())
    assert send(ListSource(pump=[[(1, float("nan"))]]), by_stream, writer, Pace(1.0, loop=True), writer.world) == 0


def test_wall_time_is_the_moment_of_sending() -> None:
    """Recorded times give way to the clock."""
    writer = ListWriter(ManualWorld())
    send(ListSource(pump=[[(1, 0.0), (2, 0.0)]]), by_stream, writer, Pace(2.0, at_wall_time=True), writer.world)
    assert [record["ts"] for record in writer.records] == [1_600_000_000_000, 1_600_000_000_500]


def test_stop_ends_after_the_burst_and_flushes() -> None:
    """What was sent before the stop is durable when `send` returns."""
    writer = ListWriter(ManualWorld(stop_after_s=1.0))
    source = ListSource(pump=[[(second, 0.0) for second in range(1000)]])
    sent = send(source, by_stream, writer, Pace(100.0), writer.world)
    assert sent == len(writer.written) == 100
    assert writer.flushed_at_s[-1] == writer.world.time_s


def test_failed_delivery_is_raised() -> None:
    """A record that cannot be delivered is not counted as sent."""
    writer = ListWriter(ManualWorld(), refuses=True)
    with pytest.raises(DeliveryError):
        send(ListSource(pump=[[(1, 0.0)]]), by_stream, writer, Pace(100.0), writer.world)
