"""Files of JSON lines: what is kept, what is cut back, what is refused."""

from __future__ import annotations

import base64
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pynomaly.application.ports import Message
from pynomaly.domain.error import DeliveryError, StateError, UnavailableError
from pynomaly_connectors.jsonl import JsonLinesSink, envelope_line
from pynomaly_connectors.sealed_file import LedgerFolder

ONE, TWO, THREE = (Message(b'{"n":1}'), Message(b'{"n":2}'), Message(b'{"n":3}'))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a folder that does not exist yet."""
    return tmp_path / "out" / "alerts.jsonl"


@contextmanager
def small_disk() -> Iterator[None]:
    """Let files of this process end at 64 bytes, as on a full disk; pytest's own output too, so keep it short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write(sink: JsonLinesSink, position: bytes | None, *messages: Message) -> bytes:
    """Open, write, flush and close; return the position reached."""
    writer = sink.open(position)
    writer.write(messages)
    writer.flush()
    reached = writer.position()
    writer.close()
    return reached


def test_the_folder_is_made(path: Path) -> None:
    """An output path works on a fresh machine."""
    write(JsonLinesSink(path), None, ONE)
    assert path.read_bytes() == b'{"n":1}\n'


def test_lines_behind_the_position_are_cut_off(path: Path) -> None:
    """What a crash left behind the last checkpoint goes away: the flow writes it again."""
    sink = JsonLinesSink(path)
    position = write(sink, None, ONE)
    write(sink, position, TWO)
    write(sink, position, THREE)
    assert path.read_bytes() == b'{"n":1}\n{"n":3}\n'


def test_the_position_is_what_was_flushed(path: Path) -> None:
    """Lines in the buffer do not count."""
    sink = JsonLinesSink(path)
    writer = sink.open(None)
    writer.write([ONE])
    writer.flush()
    before = writer.position()
    writer.write([TWO])
    assert writer.position() == before
    writer.close()
    write(sink, before, THREE)
    assert path.read_bytes() == b'{"n":1}\n{"n":3}\n'


def test_a_file_shorter_than_the_position_is_refused_with_both_sizes(path: Path) -> None:
    """Lost output is an error to look at, not something to paper over."""
    sink = JsonLinesSink(path)
    position = write(sink, None, ONE, TWO)
    path.write_bytes(b'{"n":1}\n')
    with pytest.raises(StateError, match=r"must hold the 16 bytes that were written before, was 8 bytes"):
        sink.open(position)


def test_a_users_lines_stay(path: Path, tmp_path: Path) -> None:
    """Whatever the file held before the first start is not the flow's to remove."""
    path.parent.mkdir()
    path.write_bytes(b'{"mine":true}\n')
    sink = JsonLinesSink(path, ledger=LedgerFolder(tmp_path / "ledger"))
    write(sink, None, ONE)
    write(sink, None, TWO)
    assert path.read_bytes() == b'{"mine":true}\n{"n":2}\n'


def test_without_ledger_a_start_appends(path: Path) -> None:
    """Without a state folder nobody knows whose lines they are: they stay."""
    write(JsonLinesSink(path), None, ONE)
    write(JsonLinesSink(path), None, TWO)
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n'


def test_ledgers_of_two_files_do_not_mix(tmp_path: Path) -> None:
    """Two outputs of one flow share a ledger folder."""
    ledger = tmp_path / "ledger"
    for name in ("alerts", "late"):
        write(JsonLinesSink(tmp_path / name, ledger=LedgerFolder(ledger)), None, ONE)
    write(JsonLinesSink(tmp_path / "late", ledger=LedgerFolder(ledger)), None, TWO)
    assert (tmp_path / "alerts").read_bytes() == b'{"n":1}\n'
    assert (tmp_path / "late").read_bytes() == b'{"n":2}\n'


def test_a_torn_line_of_another_program_stays_apart(path: Path) -> None:
    """The first line of ours is not glued to an unfinished one."""
    path.parent.mkdir()
    path.write_bytes(b'{"torn')
    write(JsonLinesSink(path), None, ONE)
    assert path.read_bytes() == b'{"torn\n{"n":1}\n'


def test_a_second_writer_is_refused(path: Path) -> None:
    """Two writers of one file would cut off each other's lines."""
    writer = JsonLinesSink(path).open(None)
    with pytest.raises(UnavailableError, match="must have one writer"):
        JsonLinesSink(path).open(None)
    writer.close()
    write(JsonLinesSink(path), None, ONE)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder is no file."""
    with pytest.raises(UnavailableError, match=f"{tmp_path} must be a file that can be written"):
        JsonLinesSink(tmp_path).open(None)


def test_a_damaged_position_is_refused(path: Path) -> None:
    """Bytes that are no position of any output stop the flow."""
    for token in (b"nonsense", b"[]", b'{"bytes":0,"version":2}'):
        with pytest.raises(StateError, match="saved position must be of version 1"):
            JsonLinesSink(path).open(token)


def test_another_file_under_the_same_name_is_not_cut(path: Path) -> None:
    """Long enough, but with other lines: it is not the file that the flow has written."""
    position = write(JsonLinesSink(path), None, ONE, TWO)
    theirs = b'{"theirs":true}\n' * 100
    path.write_bytes(theirs)
    with pytest.raises(StateError, match="must hold the 16 bytes that were written before, was other bytes"):
        JsonLinesSink(path).open(position)
    assert path.read_bytes() == theirs


def test_state_and_file_may_be_moved_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is relative in the flow names the same output in another folder."""
    (tmp_path / "before").mkdir()
    monkeypatch.chdir(tmp_path / "before")
    position = write(JsonLinesSink(Path("out.jsonl")), None, ONE)
    write(JsonLinesSink(Path("out.jsonl")), position, TWO)
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.chdir(tmp_path / "after")
    write(JsonLinesSink(Path("out.jsonl")), position, THREE)
    assert (tmp_path / "after/out.jsonl").read_bytes() == b'{"n":1}\n{"n":3}\n'


def test_a_position_of_another_file_cuts_nothing(tmp_path: Path) -> None:
    """The output was moved to a file that holds more: what is in it stays, and a crash repeats nothing in it."""
    ledger = tmp_path / "ledger"
    before = write(JsonLinesSink(tmp_path / "before", ledger=LedgerFolder(ledger)), None, ONE)
    moved = tmp_path / "moved"
    moved.write_bytes(b'{"theirs":true}\n' * 3)
    for message in (TWO, THREE):  # the first start crashes before its first checkpoint
        write(JsonLinesSink(moved, ledger=LedgerFolder(ledger)), before, message)
    assert moved.read_bytes() == b'{"theirs":true}\n' * 3 + b'{"n":3}\n'


def test_an_output_that_comes_back_to_a_file_keeps_its_lines(tmp_path: Path) -> None:
    """What the ledger says of an earlier start is not taken for this one."""
    ledger, first, second = tmp_path / "ledger", tmp_path / "first", tmp_path / "second"
    at_first = write(JsonLinesSink(first, ledger=LedgerFolder(ledger)), None, ONE)
    at_second = write(JsonLinesSink(second, ledger=LedgerFolder(ledger)), at_first, TWO)
    write(JsonLinesSink(first, ledger=LedgerFolder(ledger)), at_second, THREE)
    assert first.read_bytes() == b'{"n":1}\n{"n":3}\n'


def test_a_position_of_a_topic_is_a_first_opening(path: Path, tmp_path: Path) -> None:
    """An output may move from a topic to a file."""
    path.parent.mkdir()
    path.write_bytes(b'{"mine":true}\n')
    write(JsonLinesSink(path, ledger=LedgerFolder(tmp_path / "ledger")), b"{}", ONE)
    assert path.read_bytes() == b'{"mine":true}\n{"n":1}\n'


def test_a_full_disk_is_a_delivery_error(path: Path) -> None:
    """Lines that did not reach the disk must not become part of a checkpoint."""
    writer = JsonLinesSink(path).open(None)
    writer.write([Message(b"x" * 100)])
    with small_disk():
        with pytest.raises(DeliveryError, match=r"must take the lines written, .* look at the free space"):
            writer.flush()
        with pytest.raises(DeliveryError):
            writer.close()
    writer.close()


def test_an_envelope_holds_any_bytes() -> None:
    """A dead letter comes back exactly, and can be read by a person where it is text."""
    message = Message(b"\xff\x00{", "Gerät".encode(), (("why", b"malformed"), ("why", b"again")))
    envelope = json.loads(envelope_line(message))
    assert base64.b64decode(envelope["value"]) == b"\xff\x00{"
    assert envelope["value_text"] is None
    assert base64.b64decode(envelope["key"]).decode() == envelope["key_text"] == "Gerät"
    assert envelope["headers"] == [["why", "malformed"], ["why", "again"]]


def test_an_envelope_without_key_has_none() -> None:
    """A missing key is told from an empty one."""
    assert "key" not in json.loads(envelope_line(Message(b"")))
    assert json.loads(envelope_line(Message(b"", b"")))["key"] == ""
