"""Alerts out of what a flow has written, each once, from a position that a consumer keeps with what it did of them.

A flow that crashes writes again what it wrote since its last checkpoint, byte for byte, under the same ids. Rules:

1. An event is a repeat when one with its id lies at most ``memory`` offsets before it in the same partition; every
   repeat is measured from the copy before it. A repeat of a flow lies in the partition of its first copy, for both
   have the same key.
2. So the decision depends on the log alone: a reader that goes on from a position first reads ``memory`` offsets back,
   and decides as one that never stopped.
3. A position stands behind the last alert handed out, whatever was fetched beyond it.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from pynomaly.application.event_log import EventLog, EventPartition, Start, StoredEvent
from pynomaly.domain.error import StateError
from pynomaly.domain.event import AnomalyDetected
from pynomaly.domain.record import RawRecord

#: Offsets looked back for the first copy of a repeat: more than a flow writes to one partition in two checkpoints.
MEMORY: Final = 100_000

_VERSION: Final = 1
_SHORTEST_NAP_S: Final = 0.002
_LONGEST_NAP_S: Final = 0.050


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event that was understood.

    Parameters
    ----------
    id
        What a repeat is recognised by.
    alert
        The alert; None for an event of another kind.
    """

    id: str
    alert: AnomalyDetected | None


Read = Callable[[RawRecord], ReadEvent | None]


@dataclass(frozen=True, slots=True)
class AlertReading:
    """How alerts are read.

    Parameters
    ----------
    position
        Where to go on, as `AlertReader.position` said; None: at ``start``.
    start
        Where to begin without position.
    once
        Whether repeats are left out.
    memory
        Offsets looked back for the first copy of a repeat; also the most ids held for a partition, at about 200 bytes.
    until_end
        Whether to stop at the end that every partition has at open.
    """

    position: bytes | None = None
    start: Start = "earliest"
    once: bool = True
    memory: int = MEMORY
    until_end: bool = False


class RecentEvents:
    """The ids of the last events of one partition.

    Parameters
    ----------
    memory
        Offsets for which an id is kept.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._offsets: dict[str, int] = {}  # in the order in which they were seen last

    def __len__(self) -> int:
        return len(self._offsets)

    def is_repeat(self, identity: str, offset: int) -> bool:
        """Tell whether the id was there within the memory, and remember it at this offset."""
        last = self._offsets.pop(identity, None)
        self._offsets[identity] = offset
        while self._offsets[oldest := next(iter(self._offsets))] < offset - self._memory:
            del self._offsets[oldest]
        return last is not None and last >= offset - self._memory


@dataclass(slots=True)
class _Source:
    """One partition with what is known of it."""

    name: str
    partition: EventPartition
    recent: RecentEvents
    position: bytes


class AlertReader:
    """Hands out the alerts of an output in the order of their partitions; closes it at the end of a ``with`` block.

    Parameters
    ----------
    log
        The output.
    read
        Understands one message; None for one that is no event.
    reading
        How to read.

    Raises
    ------
    UnavailableError
        When the output is missing or does not answer.
    StateError
        When the position is of another output.
    """

    def __init__(self, log: EventLog, read: Read, reading: AlertReading) -> None:
        self._read = read
        self._reading = reading
        self._waiting: deque[tuple[_Source, StoredEvent]] = deque()
        self._sources: list[_Source] = []
        self._nap_s = 0.0
        self.repeats = 0
        self.others = 0
        saved = None if reading.position is None else _saved(reading.position, log)
        try:
            for name in log.partitions():
                self._sources.append(self._open(log, name, saved))
        except BaseException:
            self.close()
            raise

    @property
    def position(self) -> bytes:
        """Where a reader goes on after the last alert handed out: JSON text, a line of some 100 bytes a partition."""
        partitions = {source.name: source.position.decode() for source in self._sources}
        return json.dumps({"partitions": partitions, "version": _VERSION}, separators=(",", ":")).encode()

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has handed out everything; what is repeated or no alert at the end is passed over."""
        return not self._waiting and all(source.partition.at_end for source in self._sources)

    def poll(self) -> list[AnomalyDetected]:
        """Return the alerts that are there now, perhaps none; `position` is then behind the last of them."""
        alerts: list[AnomalyDetected] = []
        self._fetch()
        while self._waiting:
            alert = self._next_waiting()
            if alert is not None:
                alerts.append(alert)
        return alerts

    def wait(self) -> None:
        """Sleep for a moment, longer each time until alerts come again: 50 ms at the most."""
        self._nap_s = min(max(2 * self._nap_s, _SHORTEST_NAP_S), _LONGEST_NAP_S)
        time.sleep(self._nap_s)

    def __iter__(self) -> Iterator[AnomalyDetected]:
        """Wait for alerts and yield them; at any of them `position` is behind that one."""
        while True:
            while self._waiting:
                alert = self._next_waiting()
                if alert is not None:
                    yield alert
            self._fetch()
            if self.at_end:
                return
            if not self._waiting:
                self.wait()

    def close(self) -> None:
        """Close the output; may be called twice."""
        for source in self._sources:
            source.partition.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, log: EventLog, name: str, saved: dict[str, bytes] | None) -> _Source:
        """Open a partition; one that came after the position was saved is read from its first event."""
        reading = self._reading
        position = None if saved is None else saved.get(name)
        start: Start = reading.start if saved is None else "earliest"
        partition = log.open(name, position, start=start, memory=reading.memory, bounded=reading.until_end)
        return _Source(name, partition, RecentEvents(reading.memory), partition.begins_with)

    def _fetch(self) -> None:
        for source in self._sources:
            if not source.partition.at_end:
                self._waiting.extend((source, event) for event in source.partition.poll())
        if self._waiting:
            self._nap_s = 0.0

    def _next_waiting(self) -> AnomalyDetected | None:
        """Take the next event; return its alert if it is one to be handed out."""
        source, stored = self._waiting.popleft()
        event = self._read(stored.message)
        is_repeat = event is not None and source.recent.is_repeat(event.id, stored.offset)
        if stored.offset < source.partition.begins_at:
            return None
        source.position = stored.position
        if event is None or event.alert is None:
            self.others += 1
            return None
        self.repeats += is_repeat
        return None if is_repeat and self._reading.once else event.alert


def _saved(position: bytes, log: EventLog) -> dict[str, bytes]:
    """Read a position, and fail when it is of another output."""
    try:
        match json.loads(position):
            case {"version": int(version), "partitions": dict(partitions)} if version == _VERSION:
                saved = {str(name): str(token).encode() for name, token in partitions.items()}
            case _:
                raise ValueError(f"not of version {_VERSION}")  # noqa: TRY301 - one text for all
    except ValueError:
        raise StateError(
            f"position must be one that a reader of alerts gave, was {position[:80]!r}: begin without one"
        ) from None
    missing = sorted(set(saved) - set(log.partitions()))
    if missing:
        raise StateError(
            f"position must be one of {log.where}, was of {', '.join(missing)}: keep a position for each output, or "
            "begin without one"
        )
    return saved
