"""A redrive sends each letter once, each record a bounded number of times, and can be interrupted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pynomaly.application import redrive as module
from pynomaly.application.dead_letter import REDRIVEN, REDRIVEN_FROM, DeadLetter, Place
from pynomaly.application.redrive import Bounds, Fate, PlaceBound, Rehearsal, Selection, Target, redrive
from pynomaly.domain.error import DeliveryError, StateError, UnavailableError
from pynomaly.domain.record import RawRecord
from pynomaly.infrastructure.redrive_ledger import SqliteRedriveLedger

_ALL = Selection("pumps")


@dataclass(slots=True)
class _Topic:
    """A topic in memory that may break after so many records."""

    breaks_after: int | None = None
    stored: list[tuple[RawRecord, int | None]] = field(default_factory=list)
    queued: list[tuple[RawRecord, int | None]] = field(default_factory=list)

    def send(self, record: RawRecord, partition: int | None) -> None:
        self.queued.append((record, partition))

    def flush(self) -> None:
        if self.breaks_after is not None and len(self.stored) + len(self.queued) > self.breaks_after:
            raise DeliveryError("broken")
        self.stored += self.queued
        self.queued.clear()

    def close(self) -> None:
        self.queued.clear()

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record, _ in self.stored]


def _letter(number: int, **changes: object) -> DeadLetter:
    letter = DeadLetter(
        id=f"id-{number}",
        flow="pumps",
        reason="malformed" if number % 2 else "bad_time",
        message="...",
        place=Place("readings", number % 3, number),
        raw=RawRecord(str(number).encode(), b"key", (("trace", b"t"),)),
        truncated=(),
        value_bytes=1,
    )
    return replace(letter, **changes)  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteRedriveLedger:
    """A ledger that does not exist yet."""
    return SqliteRedriveLedger(tmp_path / "state" / "ledger.sqlite3")


def test_records_go_back_as_they_were(ledger: SqliteRedriveLedger) -> None:
    """Key, value and headers, into their partition, and two headers tell how often and from which letter."""
    topic = _Topic()
    assert redrive([_letter(1), None, _letter(2)], _ALL, Target("readings", topic), ledger) == Counter({Fate.SENT: 2})
    own = ((REDRIVEN, b"1"), (REDRIVEN_FROM, b"id-1"))
    assert topic.stored[0] == (RawRecord(b"1", b"key", (("trace", b"t"), *own)), 1)
    elsewhere = _Topic()
    redrive([_letter(1)], _ALL, Target("repair", elsewhere, keeps_partition=False), ledger)
    assert elsewhere.stored[0][1] is None


def test_a_second_redrive_sends_nothing_twice(ledger: SqliteRedriveLedger) -> None:
    """Repeats of a letter count as sent before, and so does what an earlier redrive sent to the same topic."""
    topic = _Topic()
    letters = [_letter(1), _letter(1), _letter(2)]
    assert redrive(letters, _ALL, Target("readings", topic), ledger)[Fate.SENT_BEFORE] == 1
    fates = redrive([*letters, _letter(3)], _ALL, Target("readings", topic), ledger)
    assert (fates[Fate.SENT], fates[Fate.SENT_BEFORE]) == (1, 3)
    assert topic.values == [b"1", b"2", b"3"]
    assert redrive(letters, _ALL, Target("repair", topic), ledger)[Fate.SENT] == 2


def test_an_interrupted_redrive_goes_on(ledger: SqliteRedriveLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not stored is not in the ledger; the next one sends exactly that."""
    monkeypatch.setattr(module, "CHUNK_LETTERS", 4)
    letters = [_letter(number) for number in range(10)]
    broken = _Topic(breaks_after=8)
    with pytest.raises(DeliveryError):
        redrive(letters, _ALL, Target("readings", broken), ledger)
    mended = _Topic()
    fates = redrive(letters, _ALL, Target("readings", mended), ledger)
    assert (fates[Fate.SENT], fates[Fate.SENT_BEFORE]) == (2, 8)
    assert broken.values + mended.values == [letter.raw.value for letter in letters]


def test_a_rehearsal_counts_what_would_be_sent(ledger: SqliteRedriveLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats are counted once over all chunks; nothing is sent or remembered."""
    monkeypatch.setattr(module, "CHUNK_LETTERS", 2)
    letters = [_letter(number % 5) for number in range(12)]
    rehearsal = Rehearsal(ledger)
    fates = redrive(letters, _ALL, Target("readings", rehearsal), rehearsal)
    assert (fates[Fate.SENT], fates[Fate.SENT_BEFORE]) == (5, 7)
    assert ledger.sent("readings", [letter.id for letter in letters]) == set()


def test_what_cannot_be_sent_is_told(ledger: SqliteRedriveLedger) -> None:
    """A record that was cut would be another one; one that failed three times will fail again."""
    worn = _letter(2, raw=RawRecord(b"2", None, ((REDRIVEN, b"3"),)))
    topic = _Topic()
    fates = redrive([_letter(1, truncated=("value",)), worn], _ALL, Target("readings", topic), ledger)
    assert fates == Counter({Fate.TRUNCATED: 1, Fate.EXHAUSTED: 1})
    redrive([worn], _ALL, Target("readings", topic), ledger, Bounds(redrives=4))
    assert topic.stored[0][0].headers == ((REDRIVEN, b"4"), (REDRIVEN_FROM, b"id-2"))


def test_a_limit_counts_what_is_sent(ledger: SqliteRedriveLedger) -> None:
    """So that the next redrive with a limit goes on behind it."""
    letters = [_letter(number) for number in range(10)]
    topic = _Topic()
    for _ in range(3):
        assert redrive(letters, _ALL, Target("readings", topic), ledger, Bounds(letters=3))[Fate.SENT] == 3
    assert topic.values == [letter.raw.value for letter in letters[:9]]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("fans"), []),
        (Selection("pumps", frozenset({"malformed"})), [1, 3, 5]),
        (Selection("pumps", first=PlaceBound(2), last=PlaceBound(4)), [2, 3, 4]),
        (Selection("pumps", first=PlaceBound(1, partition=0)), [3]),
        (Selection("pumps", first=PlaceBound(0), last=PlaceBound(3, partition=1)), [1]),
    ],
)
def test_only_the_letters_that_are_meant(selection: Selection, expected: list[int]) -> None:
    """By flow, reason and place in the input."""
    assert [number for number in range(6) if selection.takes(_letter(number))] == expected


def test_a_damaged_ledger_stops(tmp_path: Path) -> None:
    """Without it every letter would be sent again."""
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"not a database, but long enough to look like one" * 20)
    with pytest.raises(StateError, match="must be a file of this program"):
        SqliteRedriveLedger(path).sent("readings", ["x"])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The operator learns which."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UnavailableError, match="state must be a folder"):
        SqliteRedriveLedger(tmp_path / "state" / "ledger.sqlite3").record("readings", ["x"])


def test_many_ids_are_looked_up(ledger: SqliteRedriveLedger) -> None:
    """More than SQLite takes at once."""
    ids = [f"id-{number}" for number in range(2_500)]
    ledger.record("readings", ids)
    assert ledger.sent("readings", [*ids, "other"]) == set(ids)
