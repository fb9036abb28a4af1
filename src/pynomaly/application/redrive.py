"""Produce rejected records again from their dead letters, each letter once and each record a bounded number of times.

Letters go in chunks: send, wait until all are stored, then write their ids into the ledger. So a crash between the two
makes the next redrive send one chunk again, and nothing else; such records carry the id of their letter, by which a
flow with `dedupe` or a consumer knows the repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Protocol

from pynomaly.application.dead_letter import REDRIVEN, REDRIVEN_FROM, DeadLetter, Place, RecordWriter
from pynomaly.domain.record import RawRecord

CHUNK_LETTERS: Final = 500


class RedriveLedger(Protocol):
    """Which letters were sent where, over all redrives of a flow."""

    def sent(self, target: str, ids: Sequence[str]) -> set[str]:
        """Return those of the ids that were sent to a target before."""
        ...

    def record(self, target: str, ids: Sequence[str]) -> None:
        """Remember, durably and all or none, that these were sent to a target."""
        ...


@dataclass(frozen=True, slots=True)
class PlaceBound:
    """One end of a range of places: an offset, of one partition or of every one."""

    offset: int
    partition: int | None = None

    def concerns(self, place: Place) -> bool:
        """Whether the bound is about the partition of a place."""
        return self.partition is None or self.partition == place.partition


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant.

    Parameters
    ----------
    flow
        Name of the flow; several may share a topic.
    reasons
        Words of the reasons; empty: all.
    first, last
        Places in the input from where and up to where (included); of a bound with a partition letters of others are not
        meant. None: no bound.
    """

    flow: str
    reasons: frozenset[str] = frozenset()
    first: PlaceBound | None = None
    last: PlaceBound | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a letter is meant."""
        place = letter.place
        return (
            letter.flow == self.flow
            and (not self.reasons or letter.reason in self.reasons)
            and (self.first is None or (self.first.concerns(place) and place.offset >= self.first.offset))
            and (self.last is None or (self.last.concerns(place) and place.offset <= self.last.offset))
        )


class Fate(Enum):
    """What became of a letter that was meant."""

    SENT = "sent"
    SENT_BEFORE = "sent_before"
    TRUNCATED = "truncated"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go.

    Parameters
    ----------
    name
        What the ledger knows it by.
    writer
        The topic.
    keeps_partition
        Whether each record goes back into the partition that it came from: its series lives there.
    """

    name: str
    writer: RecordWriter
    keeps_partition: bool = True


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is sent.

    Parameters
    ----------
    letters
        Most letters of this redrive; None: all.
    redrives
        Most times that one record is produced again.
    """

    letters: int | None = None
    redrives: int = 3


class Rehearsal:
    """Ledger and topic of a redrive that only counts: knows what was sent before, and sends and remembers nothing.

    Memory grows with the letters that are counted.
    """

    def __init__(self, ledger: RedriveLedger) -> None:
        self._ledger = ledger
        self._counted: set[str] = set()

    def sent(self, target: str, ids: Sequence[str]) -> set[str]:
        """Return those that were sent, or counted here."""
        return self._ledger.sent(target, ids) | self._counted.intersection(ids)

    def record(self, target: str, ids: Sequence[str]) -> None:  # noqa: ARG002 - the port's
        """Remember for this rehearsal."""
        self._counted.update(ids)

    def send(self, record: RawRecord, partition: int | None) -> None:
        """Send nothing."""

    def flush(self) -> None:
        """Wait for nothing."""

    def close(self) -> None:
        """Hold nothing."""


def redrive(
    letters: Iterable[DeadLetter | None],
    selection: Selection,
    target: Target,
    ledger: RedriveLedger,
    bounds: Bounds | None = None,
) -> Counter[Fate]:
    """Send the records of the letters that are meant, and count what became of each letter.

    Raises
    ------
    DeliveryError
        When a record cannot be stored; the chunks before it are in the ledger.
    """
    running = _Redrive(target, ledger, bounds or Bounds())
    for letter in letters:
        if letter is not None and selection.takes(letter):
            running.take(letter)
            if running.is_full:
                break
    running.settle()
    return running.fates


def again(letter: DeadLetter) -> RawRecord:
    """Return the record of a letter as it is produced again: two headers tell how often, and from which letter."""
    own = ((REDRIVEN, str(letter.redrives + 1).encode()), (REDRIVEN_FROM, letter.id.encode()))
    kept = tuple(header for header in letter.raw.headers if header[0] not in {REDRIVEN, REDRIVEN_FROM})
    return replace(letter.raw, headers=(*kept, *own))


@dataclass(slots=True)
class _Redrive:
    target: Target
    ledger: RedriveLedger
    bounds: Bounds
    fates: Counter[Fate] = field(default_factory=Counter[Fate])
    waiting: dict[str, DeadLetter] = field(default_factory=dict[str, DeadLetter])

    @property
    def is_full(self) -> bool:
        return self.bounds.letters is not None and self.fates[Fate.SENT] >= self.bounds.letters

    def take(self, letter: DeadLetter) -> None:
        if letter.truncated:
            self.fates[Fate.TRUNCATED] += 1
        elif letter.redrives >= self.bounds.redrives:
            self.fates[Fate.EXHAUSTED] += 1
        elif letter.id in self.waiting:
            self.fates[Fate.SENT_BEFORE] += 1
        else:
            self.waiting[letter.id] = letter
            room = CHUNK_LETTERS
            if self.bounds.letters is not None:
                room = min(room, self.bounds.letters - self.fates[Fate.SENT])
            if len(self.waiting) >= room:
                self.settle()

    def settle(self) -> None:
        """Send what waits, unless it was sent before."""
        before = self.ledger.sent(self.target.name, list(self.waiting))
        fresh = [letter for letter in self.waiting.values() if letter.id not in before]
        if fresh:
            for letter in fresh:
                self.target.writer.send(again(letter), letter.place.partition if self.target.keeps_partition else None)
            self.target.writer.flush()
            self.ledger.record(self.target.name, [letter.id for letter in fresh])
        self.fates[Fate.SENT_BEFORE] += len(before)
        self.fates[Fate.SENT] += len(fresh)
        self.waiting.clear()
