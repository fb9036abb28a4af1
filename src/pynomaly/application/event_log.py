"""What reading the events back that a flow has written needs of the world. The docstrings are the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pynomaly.domain.record import RawRecord

Start = Literal["earliest", "latest"]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it stands in an output.

    Parameters
    ----------
    message
        Its key, value and headers.
    offset
        Its place in the partition; rising, with holes where the medium has them.
    position
        Where to go on after it.
    """

    message: RawRecord
    offset: int
    position: bytes


class EventPartition(Protocol):
    """One open partition of an output. All calls come from one thread."""

    @property
    def begins_at(self) -> int:
        """Offset from which events are new; those before it are handed out so that repeats of them are known."""
        ...

    @property
    def begins_with(self) -> bytes:
        """Position of ``begins_at``."""
        ...

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has come to the end that the partition had at open."""
        ...

    def poll(self) -> Sequence[StoredEvent]:
        """Return the next events in order; none if there are none right now. Blocks for 50 ms at the most.

        An event that is handed out again stands at an offset above the last one, or, where the medium was cut back,
        at or below it.

        Raises
        ------
        UnavailableError
            When the output is gone or refuses us for good.
        TransientError
            When it has not answered for longer than the configured bound.
        """
        ...

    def close(self) -> None:
        """Release whatever is held; may be called twice."""
        ...


class EventLog(Protocol):
    """An output of a flow, to be read back."""

    @property
    def where(self) -> str:
        """What an operator calls it."""
        ...

    def partitions(self) -> list[str]:
        """Name the partitions; an event and its repeats lie in the same one.

        Raises
        ------
        UnavailableError
            When the output is missing or does not answer.
        """
        ...

    def open(
        self, partition: str, position: bytes | None, *, start: Start, memory: int, bounded: bool
    ) -> EventPartition:
        """Open a partition after ``position``, or at ``start`` without one.

        Reading begins up to ``memory`` offsets earlier, as far as they still exist.
        """
        ...
