"""Dead letters read back are the records and reasons that were written, whatever the records brought along."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from pynomaly.application.dead_letter import REDRIVEN, DeadLetter, Place
from pynomaly.domain.error import MissingInputError
from pynomaly.domain.event import RecordRejected
from pynomaly.domain.outcome import Outcome, Reason
from pynomaly.domain.record import RawRecord, Stream
from pynomaly_connectors.codecs.dead_letter import dead_letter_message, read_dead_letter
from pynomaly_connectors.dead_letter_file import FileDeadLetters
from pynomaly_connectors.jsonl import envelope_line

#: KIP-298 and Kafka's `DeadLetterQueueReporter`, without the stack trace.
_CONNECT = [
    "topic",
    "partition",
    "offset",
    "connector.name",
    "task.id",
    "stage",
    "class.name",
    "exception.class.name",
    "exception.message",
]
_STAGES = {"TASK_PUT", "VALUE_CONVERTER"}

_RAWS = [
    RawRecord(b'{"value": 1', b"pump-1", (("trace", b"\x00\xff"), ("none", None), ("empty", b""))),
    RawRecord(b"", None),
    RawRecord(b"\xff\x00", b""),
    RawRecord(b"x", b"k", ((REDRIVEN, b"2"),)),
]


def _rejected(raw: RawRecord, reason: Reason = Reason.MALFORMED) -> RecordRejected:
    return RecordRejected("0dff", "pumps", Stream("readings", 2, "an-id"), 45, reason, raw)


def _as_record(event: RecordRejected) -> RawRecord:
    message = dead_letter_message(event)
    return RawRecord(message.value, message.key, message.headers)


@pytest.mark.parametrize("raw", _RAWS)
def test_a_letter_is_read_as_it_was_written(raw: RawRecord) -> None:
    """Key, value and headers come back exactly, null headers and bytes that are no text among them."""
    letter = read_dead_letter(_as_record(_rejected(raw)), 7)
    redrives = 2 if raw.headers and raw.headers[0][0] == REDRIVEN else 0
    assert letter == DeadLetter(
        "0dff",
        "pumps",
        "malformed",
        "the payload cannot be parsed in the flow's format",
        Place("readings", 2, 45),
        raw,
        (),
        len(raw.value or b""),
        7,
    )
    assert letter.redrives == redrives


def test_a_tombstone_is_read_as_one() -> None:
    """Its letter has an empty value, so that a compacted topic keeps it."""
    letter = read_dead_letter(_as_record(_rejected(RawRecord(None, b"k"), Reason.NO_PAYLOAD)))
    assert letter is not None
    assert letter.raw == RawRecord(None, b"k")


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.outcome is Outcome.REJECTED])
def test_kafka_connects_headers_are_there(reason: Reason) -> None:
    """Tools made for the dead letters of Connect find each header once, in Connect's words."""
    message = dead_letter_message(_rejected(_RAWS[0], reason))
    names = [name.removeprefix("__connect.errors.") for name, _ in message.headers if name.startswith("__connect.")]
    assert names == _CONNECT
    headers = {name: value for name, value in message.headers if value is not None}
    assert headers["__connect.errors.stage"].decode() in _STAGES
    assert headers["pynomaly.reason"].decode() == reason.label
    assert headers["pynomaly.id"] == headers["ce_id"] == b"0dff"


def test_a_letter_of_a_letter_keeps_both() -> None:
    """A record that came out of dead letters brings headers of the same names; the last block is ours."""
    first = _as_record(_rejected(_RAWS[0]))
    event = RecordRejected("beef", "fans", Stream("retries", 1), 9, Reason.BAD_TIME, first)
    letter = read_dead_letter(_as_record(event))
    assert letter is not None
    assert (letter.id, letter.flow, letter.reason, letter.place) == ("beef", "fans", "bad_time", Place("retries", 1, 9))
    assert letter.raw == first
    inner = read_dead_letter(letter.raw)
    assert inner is not None
    assert (inner.id, inner.raw) == ("0dff", _RAWS[0])


def test_a_cut_letter_says_so() -> None:
    """And how long the value was."""
    letter = read_dead_letter(_as_record(_rejected(RawRecord(b"x" * 3_000_000, b"k"), Reason.TOO_LARGE)))
    assert letter is not None
    assert (letter.truncated, letter.value_bytes) == (("value",), 3_000_000)
    assert letter.raw.value == b"x" * (256 * 1024 - 1)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("trace", b"t"),),
        (("__connect.errors.topic", b"t"),),
        (("__connect.errors.topic", b"t"), ("__connect.errors.partition", b"x")),
    ],
)
def test_other_messages_are_no_letters(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """Of another program, or of a connector."""
    assert read_dead_letter(RawRecord(b"x", None, headers)) is None


def test_letters_of_a_file_come_back_exactly(tmp_path: Path) -> None:
    """Lines that are no letters are told apart, and one that is not finished yet is left for later."""
    events = [_rejected(raw) for raw in _RAWS]
    lines = [envelope_line(dead_letter_message(event)) for event in events]
    strange = [b"[]", b"{", b'{"value": "x"}', orjson.dumps({"headers": [[1, 2, 3]]}), b'{"headers": [["a"]]}']
    path = tmp_path / "letters.jsonl"
    path.write_bytes(b"\n".join([*lines, *strange, lines[0][:40]]))
    found = list(FileDeadLetters(path).letters())
    assert [letter.raw for letter in found if letter is not None] == _RAWS
    assert found[len(lines) :] == [None] * (len(strange) + 1)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The operator learns which, and that the flow makes it."""
    with pytest.raises(MissingInputError, match=r"letters\.jsonl must be a file that can be read"):
        list(FileDeadLetters(tmp_path / "letters.jsonl").letters())
