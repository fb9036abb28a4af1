"""Damage in a file: it spoils the record that it is in, or is told, and fills no memory."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from pynomaly.domain.error import UnavailableError
from pynomaly.domain.outcome import Reason
from pynomaly_connectors.files import reader as reader_module
from pynomaly_connectors.files.lines import LineBuffer
from unit.record_files import content, drained, jsonl, opened, record, source, values, write


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


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-12], lambda _data: b"not gzip", lambda data: data[:20] + b"!" * 30]
)
def test_damaged_gzip_is_reported(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A torn download is not the end of the data."""
    file = tmp_path / "x.jsonl.gz"
    file.write_bytes(damage(gzip.compress(jsonl(*range(500)).encode())))
    with pytest.raises(UnavailableError, match="must be whole gzip data"):
        drained(opened(file))


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
