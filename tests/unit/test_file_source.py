"""Files as a record source: what is found, where reading stops, goes on and refuses to."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.source import FileSource
from pynomaly.domain.error import ConfigError, MissingInputError, StateError, UnavailableError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch
from pynomaly_connectors.files import reader as reader_module
from pynomaly_connectors.files.lines import LineBuffer
from pynomaly_connectors.files.reader import FileReader
from pynomaly_connectors.files.source import FileRecordSource

T_MS = 1_700_000_000_000


def record(**changes: Any) -> RecordSpec:
    """Return a record of a millisecond time and one value, with changes."""
    return RecordSpec.model_validate({"time": {"field": "t", "format": "ms"}, "values": ("v",), **changes})


def source(path: Path | str, spec: RecordSpec | None = None, **changes: Any) -> FileRecordSource:
    """Return a source of one path, with the decoder that needs no compilation."""
    fields = {"kind": "files", "path": str(path), "decoder": "portable", **changes}
    return FileRecordSource(FileSource.model_validate(fields), spec or record())


def opened(path: Path, position: bytes | None = None, *, bounded: bool = True, **changes: Any) -> FileReader:
    """Open the one file of a path."""
    files = source(path, **changes)
    return files.open(files.partitions()[0], position, bounded=bounded)


def drained(reader: FileReader) -> list[RecordBatch]:
    """Read a bounded reader to its end."""
    batches = []
    try:
        while not reader.at_end:
            batch = reader.poll()
            if batch is not None:
                batches.append(batch)
    finally:
        reader.close()
    return batches


def first_batch(reader: FileReader) -> RecordBatch:
    """Poll until records come; a read may yield none, as one of a header alone does."""
    while not reader.at_end:
        batch = reader.poll()
        if batch is not None:
            return batch
    raise AssertionError("the file must have a record")


def values(batches: list[RecordBatch]) -> list[float]:
    """Return all first values in order; NaN is -1."""
    return [-1.0 if np.isnan(value) else value for batch in batches for value in batch.values[:, 0].tolist()]


def offsets(batches: list[RecordBatch]) -> list[int]:
    """Return all offsets in order."""
    return [offset for batch in batches for offset in batch.offset.tolist()]


def line(value: float) -> str:
    """Return one JSON record."""
    return f'{{"t":{T_MS},"v":{value}}}'


def jsonl(*numbers: float) -> str:
    """Return whole lines of records."""
    return "".join(line(number) + "\n" for number in numbers)


def csv(*numbers: float) -> str:
    """Return CSV with a header."""
    return "t,v\n" + "".join(f"{T_MS},{number}\n" for number in numbers)


def write(path: Path, text: str | bytes) -> Path:
    """Write a file, packed where its name says so."""
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


NAMES = ["x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz"]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file name of each kind."""
    return tmp_path / str(request.param)


def content(path: Path, *numbers: float) -> str:
    """Return records in the format of a file name."""
    return csv(*numbers) if ".csv" in path.name else jsonl(*numbers)


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


def test_a_file_that_is_not_followed_ends_in_a_live_flow_too(tmp_path: Path) -> None:
    """Only `follow` waits."""
    file = write(tmp_path / "x.jsonl", jsonl(1))
    assert values(drained(opened(file, bounded=False))) == [1]


@pytest.fixture
def followed(tmp_path: Path) -> Callable[[str], tuple[Path, FileReader]]:
    """Open a followed file with some content."""

    def begin(name: str) -> tuple[Path, FileReader]:
        file = write(tmp_path / name, "")
        return file, opened(file, bounded=False, follow=True)

    return begin


def append(path: Path, text: str) -> None:
    """Append to a file."""
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_following_never_reads_half_a_line(followed: Callable[[str], tuple[Path, FileReader]], name: str) -> None:
    """A line is read once its line feed is there, the header as well."""
    file, reader = followed(name)
    text = content(file, 1, 22)
    for character in text:
        append(file, character)
        batch = reader.poll()
        assert (batch is not None) == (character == "\n" and file.read_text() != "t,v\n")
        assert batch is None or len(batch) == 1
        assert not reader.at_end
    reader.close()


def test_following_goes_on_from_a_position(followed: Callable[[str], tuple[Path, FileReader]]) -> None:
    """A half-written line at the stop is read whole after the start."""
    file, reader = followed("x.jsonl")
    append(file, jsonl(1) + line(2)[:7])
    assert reader.poll() is not None
    position = reader.position()
    reader.close()
    append(file, line(2)[7:] + "\n")
    assert values(drained(opened(file, position))) == [2]


@pytest.mark.parametrize(
    ("name", "whole", "begun", "rest"),
    [
        ("x.jsonl", jsonl(1), line(2)[:7], line(2)[7:] + "\n"),
        ("x.jsonl", jsonl(1), line(2), "\n"),
        ("x.jsonl", "", line(2)[:7], line(2)[7:] + "\n"),
        ("x.csv", csv(1), f"{T_MS},2", "2\n"),
        ("x.csv", "t,v,x\n" + f"{T_MS},1,y\n", f'{T_MS},22,"a\nb', 'c"\n'),
        ("x.csv", "", "t,", f"v\n{T_MS},22\n"),
    ],
)
def test_a_bounded_read_of_a_followed_file_leaves_an_unfinished_line(
    tmp_path: Path, name: str, whole: str, begun: str, rest: str
) -> None:
    """Half a record is not judged, and the next read begins with its first byte."""
    file = write(tmp_path / name, whole + begun)
    reader = opened(file, follow=True)
    assert values(drained(reader)) == ([1] if whole else [])
    assert reader.lag == 0
    append(file, rest)
    assert values(drained(opened(file, reader.position(), follow=True))) == [22 if name == "x.csv" else 2]


def test_following_notices_a_cut_file(followed: Callable[[str], tuple[Path, FileReader]]) -> None:
    """Records that were lost must not pass in silence."""
    file, reader = followed("x.jsonl")
    append(file, jsonl(1, 2))
    assert reader.poll() is not None
    write(file, jsonl(3))
    with pytest.raises(UnavailableError, match="must only grow while it is followed, was cut"):
        reader.poll()
    reader.close()


def test_following_notices_a_replaced_file(followed: Callable[[str], tuple[Path, FileReader]]) -> None:
    """The old file is read to its end first."""
    file, reader = followed("x.jsonl")
    append(file, jsonl(1))
    file.rename(file.with_suffix(".old"))
    append(file.with_suffix(".old"), jsonl(2))
    write(file, jsonl(3))
    batch = reader.poll()
    assert batch is not None
    assert values([batch]) == [1, 2]
    with pytest.raises(UnavailableError, match="was replaced"):
        reader.poll()
    reader.close()


def test_a_followed_file_that_is_renamed_away_is_waited_for(
    followed: Callable[[str], tuple[Path, FileReader]],
) -> None:
    """Its writer may still have it open."""
    file, reader = followed("x.jsonl")
    file.rename(file.with_suffix(".old"))
    assert reader.poll() is None
    append(file.with_suffix(".old"), jsonl(2))
    assert reader.poll() is not None
    reader.close()


def test_packed_files_cannot_be_followed(tmp_path: Path) -> None:
    """A packed file cannot be told to be half-written; the operator learns it at the start."""
    write(tmp_path / "x.jsonl.gz", jsonl(1))
    for bounded in (False, True):
        with pytest.raises(ConfigError, match=r"source\.follow: must be false for packed files"):
            opened(tmp_path / "x.jsonl.gz", bounded=bounded, follow=True)


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


def test_files_are_named_as_the_glob_matched_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative as given, sorted, folders left out."""
    for name in ("b.csv", "a.csv", "sub/c.csv", "sub/deep/d.csv", "a.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / "data" / name, csv(1))
    (tmp_path / "data" / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    assert source("data/*.csv").partitions() == ["data/a.csv", "data/b.csv"]
    deep = ["data/a.csv", "data/b.csv", "data/sub/c.csv", "data/sub/deep/d.csv"]
    assert source("data/**/*.csv").partitions() == deep
    reader = source("data/a.csv").open("data/a.csv", None, bounded=True)
    assert (reader.stream.name, reader.stream.partition) == ("data/a.csv", 0)
    reader.close()


def test_a_name_with_the_letters_of_a_glob_is_a_name(tmp_path: Path) -> None:
    """A file that exists is taken as it is called."""
    file = write(tmp_path / "data[1].csv", csv(1))
    assert source(file).partitions() == [str(file)]


@pytest.mark.parametrize("pattern", ["nothing.csv", "*.csv", "no/such/folder/*"])
def test_a_path_must_match_a_file(tmp_path: Path, pattern: str) -> None:
    """The text says what was looked for."""
    with pytest.raises(MissingInputError, match="path must match at least one file, was"):
        source(tmp_path / pattern).partitions()


def test_a_folder_is_told_to_be_a_glob(tmp_path: Path) -> None:
    """An operator who names a folder learns what to write."""
    with pytest.raises(MissingInputError, match=r"must be a file or a glob, was the folder .*say .*/\*"):
        source(tmp_path).partitions()


def test_a_file_that_has_gone_since_is_missing(tmp_path: Path) -> None:
    """Between listing and opening anything may happen."""
    with pytest.raises(MissingInputError, match="file must exist, was"):
        source(tmp_path / "x.csv").open(str(tmp_path / "x.csv"), None, bounded=True)


def test_a_format_that_the_suffix_does_not_tell_must_be_given(tmp_path: Path) -> None:
    """Guessing would read nonsense."""
    file = write(tmp_path / "x.log", jsonl(1))
    with pytest.raises(ConfigError, match=r"source\.format: must be given for files that do not end in \.csv"):
        opened(file)
    assert values(drained(opened(file, format="jsonl"))) == [1]


def test_a_missing_column_is_a_matter_of_configuration(tmp_path: Path) -> None:
    """The error lists the columns that exist, at the first read."""
    file = write(tmp_path / "x.csv", "time;value\n1;2\n")
    with pytest.raises(ConfigError, match=r"must be one column of .*x\.csv \(its header is time, value\), was 't'"):
        drained(opened(file, delimiter=";"))


def test_files_have_no_message_keys(tmp_path: Path) -> None:
    """A flow that asks for them cannot run."""
    with pytest.raises(ConfigError, match=r"record\.series_from: must be 'fields' for files"):
        source(tmp_path / "x.csv", record(series_from="message_key"))


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_bad_utf_8_spoils_one_record(tmp_path: Path, name: str) -> None:
    """The others of the file are whole, and the bytes are kept."""
    good = content(tmp_path / name, 1, 2).encode()
    bad = b'{"t":1700000000000,"v":3,"x":"\xff"}' if name == "x.jsonl" else b"1700000000000,3\xff"
    third = content(tmp_path / name, 4).removeprefix("t,v\n").encode()
    file = write(tmp_path / name, good + bad + b"\n" + third)
    (batch,) = drained(opened(file))
    assert batch.refusal.tolist() == [0, 0, Reason.MALFORMED, 0]
    assert batch.refused()[2].value == bad


def test_utf_16_is_refused_whole(path: Path) -> None:
    """Every line would be malformed; the text says how to convert it."""
    write(path, content(path, 1).encode("utf-16"))
    with pytest.raises(UnavailableError, match=r"must be UTF-8, was UTF-16: .*iconv"):
        drained(opened(path))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-12], lambda _data: b"not gzip", lambda data: data[:20] + b"!" * 30]
)
def test_damaged_gzip_is_reported(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A torn download is not the end of the data."""
    file = tmp_path / "x.jsonl.gz"
    file.write_bytes(damage(gzip.compress(jsonl(*range(500)).encode())))
    with pytest.raises(UnavailableError, match="must be whole gzip data"):
        drained(opened(file))


def test_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    """What `cat a.gz b.gz` makes."""
    file = tmp_path / "x.jsonl.gz"
    file.write_bytes(gzip.compress(jsonl(1).encode()) + gzip.compress(jsonl(2).encode()))
    assert values(drained(opened(file))) == [1, 2]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Of a line over the limit only as much is kept as tells that it is."""
    file = write(tmp_path / "x.jsonl", jsonl(1) + "x" * 30_000_000 + "\n" + jsonl(2))
    reader = source(file, record(max_bytes=1000)).open(str(file), None, bounded=True)
    tracemalloc.start()
    batches = drained(reader)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert values(batches) == [1, -1, 2]
    assert [reason for batch in batches for reason in batch.refusal.tolist()] == [0, Reason.TOO_LARGE, 0]
    kept = [raw.value for batch in batches for raw in batch.refused().values()]
    assert kept == [b"x" * 1001]
    assert peak_bytes < 8 << 20


def test_reading_goes_on_behind_a_line_that_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions count the bytes that were not kept."""
    monkeypatch.setattr(reader_module, "CHUNK_BYTES", 50)
    file = write(tmp_path / "x.jsonl", jsonl(1) + "x" * 1000 + "\n" + jsonl(2))
    files = source(file, record(max_bytes=100))
    reader = files.open(str(file), None, bounded=True)
    positions = [reader.position()]
    while not reader.at_end:
        reader.poll()
        positions.append(reader.position())
    reader.close()
    rests = [values(drained(files.open(str(file), position, bounded=True))) for position in dict.fromkeys(positions)]
    assert rests == [[1, -1, 2], [-1, 2], [2], []]


def test_lines_know_where_they_end() -> None:
    """Positions are those of the file, wherever the first chunk began."""
    buffer = LineBuffer(100, 4)
    buffer.feed(b"ab\ncd")
    assert buffer.take(5).end.tolist() == [103]
    buffer.feed(b"efghi")
    assert buffer.whole_lines == 0
    buffer.feed(b"jkl\nm\n")
    block = buffer.take(1)
    assert (block.lines(), block.end.tolist()) == ([b"cdefg"], [114])
    block = buffer.take(1)
    assert (block.lines(), block.end.tolist()) == ([b"m"], [116])
    assert len(buffer.take_rest()) == 0
