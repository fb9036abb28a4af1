"""Dead letters as somebody reads them: each a rejected record with its reason, its place and its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from pynomaly.domain.origin import Origin
from pynomaly.domain.record import RawRecord

#: Header of a record that was produced again from its dead letter: how often by now.
REDRIVEN: Final = "pynomaly.redriven"
#: Header of such a record: id of the last dead letter that it was.
REDRIVEN_FROM: Final = "pynomaly.redriven.from"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A record's place in the input of its flow."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter.

    Parameters
    ----------
    id
        The same for every repeat of this letter, and for no other one.
    flow
        Name of the flow that rejected the record.
    reason
        Why, in the one word of outcome files and metrics.
    message
        Why, in a sentence.
    place
        Where the record stood.
    raw
        The record, as far as it was kept.
    truncated
        What of it is not whole: `key`, `headers`, `value`.
    value_bytes
        How long its value was [bytes].
    written_ns
        When the letter was written, UTC epoch nanoseconds; None where the store does not say.
    origin
        The record of the input that was copied by series before it was rejected; None in other flows.
    """

    id: str
    flow: str
    reason: str
    message: str
    place: Place
    raw: RawRecord
    truncated: tuple[str, ...]
    value_bytes: int
    written_ns: int | None = None
    origin: Origin | None = None

    @property
    def redrives(self) -> int:
        """How often the record was produced again before it became this letter."""
        counts = (value for name, value in self.raw.headers if name == REDRIVEN and value is not None)
        return max((int(value) for value in counts if value.isdigit()), default=0)


class DeadLetterStore(Protocol):
    """Where the dead letters of a flow are, for reading."""

    @property
    def where(self) -> str:
        """Where an operator finds them (a path, a topic)."""
        ...

    def letters(self) -> Iterator[DeadLetter | None]:
        """Yield what the store holds now, in its order; None for what is no dead letter of any flow.

        Repeats come as often as they are there. Memory does not grow with the store.

        Raises
        ------
        UnavailableError
            When it is missing, or refuses us.
        TransientError
            When it does not answer within the bound that is set for it.
        """
        ...


class RecordWriter(Protocol):
    """An input topic, to produce records to again. Records count only after `flush` has returned."""

    def send(self, record: RawRecord, partition: int | None) -> None:
        """Queue a record; into a partition if the topic has that, else where its key belongs.

        Raises
        ------
        DeliveryError
            When an earlier record has failed for good, or this one is too large.
        """
        ...

    def flush(self) -> None:
        """Return when every record sent is stored.

        Raises
        ------
        DeliveryError
            When one of them is not.
        """
        ...

    def close(self) -> None:
        """Release whatever the writer holds; may be called twice."""
        ...
