"""What the application needs of the world. Each docstring is the contract that every adapter keeps.

All calls come from one thread per partition. Nothing here may decide anything about data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pynomaly.application.spec.start import Place
from pynomaly.domain.record import RecordBatch, Stream


class PartitionReader(Protocol):
    """One open input partition."""

    @property
    def stream(self) -> Stream:
        """Which stream the batches belong to; constant while open."""
        ...

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has reached the end that the partition had at open. Never goes back."""
        ...

    @property
    def lag(self) -> int | None:
        """Records between the last one returned and the end known by now; None if unknowable."""
        ...

    @property
    def skipped(self) -> int:
        """Records that were gone before they were read, and that the flow's policy passed over, since open."""
        ...

    @property
    def outage(self) -> str | None:
        """What keeps the input from answering right now, in one sentence; None while nothing does."""
        ...

    def poll(self) -> RecordBatch | None:
        """Return the next records in order, or None if there are none right now.

        Blocks for 50 ms at the most. Batch boundaries carry no meaning.

        Raises
        ------
        UnavailableError
            When the input is gone or refuses us for good (an `AccessError`).
        TransientError
            When it has not answered for longer than the configured bound.
        InputGrownError
            When it has partitions that were not there at `RecordSource.partitions`, and the flow is to read them:
            nothing is lost, the position stands behind the last record returned.
        """
        ...

    def position(self) -> bytes:
        """Return the token that makes `RecordSource.open` go on after the last record returned."""
        ...

    def confirm(self, position: bytes) -> None:
        """Take note that everything up to ``position`` is durable downstream; must not block."""
        ...

    def close(self) -> None:
        """Release whatever the reader holds; may be called twice."""
        ...


@runtime_checkable
class LosesRecords(Protocol):
    """What a partition reader is as well, if its input deletes records whether or not they were read."""

    @property
    def lost_in_s(self) -> float:
        """Time until records will be deleted before they are read, at the present pace [s]; infinite if never."""
        ...


class RecordSource(Protocol):
    """An input with a fixed set of partitions."""

    @property
    def partitions_may_go(self) -> bool:
        """Whether a partition may be gone at a later start, as a file is that was archived; else that is an error."""
        ...

    @property
    def partitions_may_come(self) -> bool:
        """Whether a later start reads partitions that the saved state does not know; else that is an error."""
        ...

    def partitions(self) -> list[str]:
        """Name the partitions in a stable order; the names are keys of the recovery store.

        Raises
        ------
        UnavailableError
            Within the configured bound, when the input is missing or does not answer.
        """
        ...

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> PartitionReader:
        """Open a partition after ``position``, or at the configured start when it is None.

        ``bounded`` makes the reader stop at the end that the partition has now; what comes later is left to the next
        read.
        """
        ...


@runtime_checkable
class RangedSource(RecordSource, Protocol):
    """An input of which a part can be read again: from one place to another."""

    def between(self, begin: Place | None, end: Place | None) -> RecordSource:
        """Return the same input for bounded reads of the records from ``begin`` on and before ``end``.

        None stands for the first record, and for whatever there is.
        """
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """An encoded event on its way out."""

    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class MessageWriter(Protocol):
    """One open output. Written messages count only after `flush` has returned."""

    def write(self, messages: Sequence[Message]) -> None:
        """Queue messages in order; may block for back-pressure.

        Raises
        ------
        DeliveryError
            When an earlier message has failed for good.
        AccessError
            When we may no longer write there.
        """
        ...

    def flush(self) -> None:
        """Return when every written message is durable where it goes.

        Raises
        ------
        DeliveryError
            When one of them is not, permanently or after the configured bound.
        AccessError
            When we may no longer write there.
        """
        ...

    def position(self) -> bytes:
        """Return what `MessageSink.open` must know to cut off everything written after this moment.

        Call after `flush`.
        """
        ...

    def close(self) -> None:
        """Release whatever the writer holds; may be called twice."""
        ...


@runtime_checkable
class MayBeAway(Protocol):
    """What a message writer is as well, if the place that it writes to is another machine's."""

    def idle(self) -> str | None:
        """Take what the place has to say while nothing is written; call it about once a second, it takes up to 0.1 s.

        Returns
        -------
        str | None
            What keeps the place from answering, in one sentence; None while nothing is known to.

        Raises
        ------
        DeliveryError
            When an earlier message has failed for good.
        AccessError
            When we may no longer write there.
        """
        ...


class MessageSink(Protocol):
    """A place that messages go to."""

    @property
    def where(self) -> str:
        """Where an operator finds the messages (a path, a topic)."""
        ...

    def check(self) -> None:
        """Look whether messages can go there, and make nothing.

        Raises
        ------
        PynomalyError
            With what to do, when they cannot.
        """
        ...

    def open(self, position: bytes | None) -> MessageWriter:
        """Open the output; with a ``position`` drop, where the medium allows, whatever came after it."""
        ...
