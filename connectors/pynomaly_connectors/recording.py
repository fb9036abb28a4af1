"""Recorded data sent at a chosen rate, for trying flows out and for load.

Every record goes out as ``{"ts": <epoch ms>, "series": …, "value": …}``, keyed by its series.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import orjson

from pynomaly.application.ports import Message, MessageWriter, PartitionReader, RecordSource
from pynomaly.domain.record import RecordBatch

_MILLISECOND_NS = 1_000_000
_TICK_S: Final = 0.05  # records go out in bursts of what is due in this time
_FLUSH_S: Final = 1.0  # deliveries are checked at least this often

SeriesName = Callable[[RecordBatch, int], str]


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded value."""

    series: str
    time_ns: int
    value: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast to send and what time to write.

    Parameters
    ----------
    rate
        Records per second.
    loop
        Begin again at the end; recorded times then go on where the lap before ended.
    at_wall_time
        Write the moment of sending instead of the recorded time.
    """

    rate: float
    loop: bool = False
    at_wall_time: bool = False


class World:
    """The clock of a sender, and the request to stop it."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the sender should end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the sender to end; safe in a signal handler."""
        self._stop.set()

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def now_ns(self) -> int:
        """Return UTC epoch nanoseconds."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        self._stop.wait(seconds)


def send(source: RecordSource, series_of: SeriesName, writer: MessageWriter, pace: Pace, world: World) -> int:
    """Send what a source has recorded and return how many records are durable.

    Ends at the end of the source, with `Pace.loop` only when the world stops. Rows that the source refuses are skipped.

    Raises
    ------
    DeliveryError
        When a record could not be delivered.
    """
    recordings = _laps(source, series_of) if pace.loop else _lap(source, series_of)
    size = max(1, math.floor(pace.rate * _TICK_S))
    begin_s = flushed_s = world.monotonic_s()
    sent = 0
    while not world.stopped and (burst := list(islice(recordings, size))):
        writer.write([_message(recording, world, pace) for recording in burst])
        sent += len(burst)
        if world.monotonic_s() - flushed_s >= _FLUSH_S:
            writer.flush()
            flushed_s = world.monotonic_s()
        world.sleep(max(0.0, begin_s + sent / pace.rate - world.monotonic_s()))
    writer.flush()
    return sent


def _message(recording: Recording, world: World, pace: Pace) -> Message:
    time_ns = world.now_ns() if pace.at_wall_time else recording.time_ns
    record = {"ts": time_ns // _MILLISECOND_NS, "series": recording.series, "value": recording.value}
    return Message(orjson.dumps(record), recording.series.encode())


def _laps(source: RecordSource, series_of: SeriesName) -> Iterator[Recording]:
    """Repeat a source for ever; each lap begins one mean step after the latest time of the lap before."""
    shift_ns = 0
    while True:
        first_ns, last_ns, count = None, 0, 0
        for recording in _lap(source, series_of):
            first_ns = recording.time_ns if first_ns is None else min(first_ns, recording.time_ns)
            last_ns = max(last_ns, recording.time_ns)
            count += 1
            yield Recording(recording.series, recording.time_ns + shift_ns, recording.value)
        if first_ns is None:
            return
        span_ns = last_ns - first_ns
        shift_ns += span_ns + max(1, span_ns // max(1, count - 1))


def _lap(source: RecordSource, series_of: SeriesName) -> Iterator[Recording]:
    """Read all partitions once, a batch of each in turn."""
    readers = [source.open(partition, None, bounded=True) for partition in source.partitions()]
    try:
        waiting = deque(readers)
        while waiting:
            reader = waiting.popleft()
            yield from _next_recordings(reader, series_of)
            if not reader.at_end:
                waiting.append(reader)
    finally:
        for reader in readers:
            reader.close()


def _next_recordings(reader: PartitionReader, series_of: SeriesName) -> Iterator[Recording]:
    batch = reader.poll()
    if batch is None:
        return
    for row in np.flatnonzero(batch.refusal == 0).tolist():
        yield Recording(series_of(batch, row), int(batch.time_ns[row]), float(batch.values[row, 0]))
