"""Files that are followed while they grow: never half a line, and no loss in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pynomaly.domain.error import ConfigError, UnavailableError
from pynomaly_connectors.files.reader import FileReader
from unit.record_files import T_MS, content, csv, drained, jsonl, line, opened, values, write


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


def test_a_file_that_is_not_followed_ends_in_a_live_flow_too(tmp_path: Path) -> None:
    """Only `follow` waits."""
    file = write(tmp_path / "x.jsonl", jsonl(1))
    assert values(drained(opened(file, bounded=False))) == [1]


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
