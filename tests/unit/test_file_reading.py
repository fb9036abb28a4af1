"""Files read in order in each format, and gone on with exactly where reading stopped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.record import RecordBatch
from pynomaly_connectors.files import reader as reader_module
from pynomaly_connectors.files.reader import FileReader
from unit.record_files import T_MS, content, drained, jsonl, line, offsets, opened, record, source, values, write


def first_batch(reader: FileReader) -> RecordBatch:
    """Poll until records come; a read may yield none, as one of a header alone does."""
    while not reader.at_end:
        batch = reader.poll()
        if batch is not None:
            return batch
    raise AssertionError("the file must have a record")


NAMES = ["x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz"]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file name of each kind."""
    return tmp_path / str(request.param)


def test_a_file_is_read_in_order(path: Path) -> None:
    """Record numbers are offsets; the header of CSV is no record."""
    write(path, content(path, *range(100)))
    batches = drained(opened(path, batch_records=7))
    assert values(batches) == list(range(100))
    assert offsets(batches) == list(range(100))
    assert max(map(len, batches)) <= 7
    assert {batch.time_ns[0] for batch in batches} == {T_MS * 1_000_000}


def test_reading_goes_on_exactly_where_it_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any poll: nothing twice, nothing left out, however the chunks fall."""
    write(path, content(path, *range(40)))
    for chunk_bytes in (5, 64, 1 << 20):
        monkeypatch.setattr(reader_module, "CHUNK_BYTES", chunk_bytes)
        reader = opened(path, batch_records=3)
        taken, positions = 0, [(reader.position(), 0)]
        while not reader.at_end:
            batch = reader.poll()
            taken += 0 if batch is None else len(batch)
            positions.append((reader.position(), taken))
        reader.close()
        assert taken == 40
        for position, before in dict.fromkeys(positions):
            rest = drained(opened(path, position))
            assert values(rest) == list(range(before, 40))
            assert offsets(rest) == list(range(before, 40))


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_chunks_do_not_matter(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd records come out the same, byte for byte, wherever the reads fall."""
    odd = {
        "x.jsonl": jsonl(1) + '\n  \n{"t":1}\n' + "y" * 300 + "\n\r\n" + line(2) + "\r\n\xff?\n" + line(3),
        "x.csv": 'v,"t"\n1,1700000000000\n\n"2","1700000000000"\n"a\nb",1\n3,'
        + "9" * 300
        + '\n"open,1\n4,1700000000000',
    }
    file = write(tmp_path / name, odd[name].encode("latin-1"))
    found = []
    for chunk_bytes in (1, 2, 3, 7, 50, 1 << 20):
        monkeypatch.setattr(reader_module, "CHUNK_BYTES", chunk_bytes)
        files = source(file, record(max_bytes=100))
        batches = drained(files.open(str(file), None, bounded=True))
        raw = {batch.offset[row]: kept for batch in batches for row, kept in batch.refused().items()}
        found.append((values(batches), offsets(batches), [r for b in batches for r in b.refusal.tolist()], raw))
    assert all(other == found[0] for other in found[1:])
    assert [number for number in found[0][0] if number >= 0] == {"x.jsonl": [1, 2, 3], "x.csv": [1, 2, 4]}[name]


def test_the_last_line_needs_no_line_feed(path: Path) -> None:
    """In a file that has ended, what is there is a record."""
    write(path, content(path, 1, 2).removesuffix("\n"))
    assert values(drained(opened(path))) == [1, 2]


def test_blank_lines_are_no_records(path: Path) -> None:
    """Nor are lines of spaces; they have no record number."""
    write(path, "\n \n" + content(path, 1) + "\n\r\n   \t\n" + content(path, 2).removeprefix("t,v\n") + "\n\n")
    batches = drained(opened(path))
    assert values(batches) == [1, 2]
    assert offsets(batches) == [0, 1]


def test_line_ends_of_windows_and_a_byte_order_mark_are_understood(path: Path) -> None:
    """What spreadsheets write."""
    write(path, b"\xef\xbb\xbf" + content(path, 1, 2).replace("\n", "\r\n").encode())
    reader = opened(path, batch_records=1)
    assert values([first_batch(reader)]) == [1]
    position = reader.position()
    reader.close()
    assert values(drained(opened(path, position))) == [2]


def test_an_empty_file_has_ended(path: Path) -> None:
    """No records, no header, no error; and one can go on from there."""
    write(path, "")
    reader = opened(path)
    assert drained(reader) == []
    position = reader.position()
    write(path, content(path, 1))
    assert values(drained(opened(path, position))) == [1]


def test_a_bounded_read_ends_where_the_file_ended_at_open(path: Path) -> None:
    """What is appended later is not read; the end is never taken back."""
    write(path, content(path, 1, 2))
    reader = opened(path)
    with path.open("ab") as file:
        more = jsonl(3).encode() if ".jsonl" in path.name else b"1700000000000,3\n"
        file.write(gzip.compress(more) if path.suffix == ".gz" else more)
    assert not reader.at_end
    assert reader.lag is None
    assert values(drained(reader)) == [1, 2]
    assert reader.poll() is None
    assert reader.at_end
    assert reader.lag == 0


def test_utf_16_is_refused_whole(path: Path) -> None:
    """Every line would be malformed; the text says how to convert it."""
    write(path, content(path, 1).encode("utf-16"))
    with pytest.raises(UnavailableError, match=r"must be UTF-8, was UTF-16: .*iconv"):
        drained(opened(path))


def test_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    """What `cat a.gz b.gz` makes."""
    file = tmp_path / "x.jsonl.gz"
    file.write_bytes(gzip.compress(jsonl(1).encode()) + gzip.compress(jsonl(2).encode()))
    assert values(drained(opened(file))) == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 3],
        lambda _text: "",
        lambda text: text.replace("7", "8", 1),
        lambda text: "#" + text,
    ],
)
def test_a_replaced_or_cut_file_is_not_gone_on_with(path: Path, change: Callable[[str], str]) -> None:
    """The error names the file and what to do."""
    text = content(path, *range(70, 90))
    write(path, text)
    reader = opened(path)
    first_batch(reader)
    position = reader.position()
    reader.close()
    write(path, change(text))
    with pytest.raises(UnavailableError, match=f"was replaced or cut: .*{path.name}.*--reset-state"):
        opened(path, position)


def test_a_copy_of_the_file_is_the_same_file(path: Path) -> None:
    """A restored backup has another inode and time."""
    write(path, content(path, 1, 2))
    reader = opened(path, batch_records=1)
    first_batch(reader)
    position = reader.position()
    reader.close()
    path.unlink()
    write(path, content(path, 1, 2, 3))
    assert values(drained(opened(path, position))) == [2, 3]


@pytest.mark.parametrize("token", [b"", b"nonsense", b"[]", b"{}", b'{"version":1,"bytes":3}', b"\xff"])
def test_a_foreign_position_is_refused(tmp_path: Path, token: bytes) -> None:
    """Bytes that are no position stop the flow instead of starting it somewhere."""
    file = write(tmp_path / "x.jsonl", jsonl(1))
    with pytest.raises(StateError, match="file position must be one that pynomaly wrote"):
        opened(file, token)


def test_a_position_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """And says so."""
    file = write(tmp_path / "x.jsonl", jsonl(1))
    reader = opened(file)
    fields = json.loads(reader.position())
    reader.close()
    with pytest.raises(StateError, match="written by a newer pynomaly"):
        opened(file, json.dumps({**fields, "version": 2}).encode())


def test_confirming_and_closing_twice_do_nothing(tmp_path: Path) -> None:
    """A file forgets nothing."""
    reader = opened(write(tmp_path / "x.jsonl", jsonl(1)))
    position = reader.position()
    reader.confirm(position)
    reader.close()
    reader.close()
    assert reader.position() == position
