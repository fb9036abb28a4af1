"""Which files a path stands for, and what must be known of them to read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.domain.error import ConfigError, MissingInputError
from unit.record_files import csv, drained, jsonl, opened, record, source, values, write


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
