"""More files than a process may hold open."""

from __future__ import annotations

import gzip
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from pynomaly.application.spec.record import RecordSpec, TimeSpec
from pynomaly.application.spec.source import FileSource
from pynomaly.domain.error import MissingInputError, UnavailableError
from pynomaly_connectors.files import reader as reader_module
from pynomaly_connectors.files.reader import FileReader
from pynomaly_connectors.files.source import FileRecordSource

MORE = 150  # descriptors that a test may take
FILES = 200
RECORDS = RecordSpec(time=TimeSpec(field="t", format="ms"), values=("v",))


@pytest.fixture(autouse=True)
def few_descriptors() -> Iterator[None]:
    """Let this process open 150 more files than it has open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files() + MORE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def open_files() -> int:
    """Count the descriptors of this process."""
    return len(list(Path("/dev/fd").iterdir()))


def source(pattern: Path, *, follow: bool = False) -> FileRecordSource:
    """Return the code under test."""
    spec = FileSource(kind="files", path=str(pattern), follow=follow, decoder="portable")
    return FileRecordSource(spec, RECORDS)


def write(folder: Path, count: int, suffix: str = ".jsonl") -> None:
    """Write files of three records each; the values tell which file and which record."""
    for number in range(count):
        text = "".join(f'{{"t":1700000000000,"v":{number * 10 + row}}}\n' for row in range(3))
        data = text.encode()
        (folder / f"{number:04}{suffix}").write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)


def opened(files: FileRecordSource, *, bounded: bool) -> list[FileReader]:
    """Open all files at once, as a dataflow does."""
    return [files.open(name, None, bounded=bounded) for name in files.partitions()]


def read_in_turn(readers: list[FileReader]) -> list[list[float]]:
    """Poll one reader after another until all are at their end."""
    found: list[list[float]] = [[] for _ in readers]
    while not all(reader.at_end for reader in readers):
        for reader, values in zip(readers, found, strict=True):
            batch = reader.poll()
            values.extend([] if batch is None else batch.values[:, 0].tolist())
    return found


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("bounded", [True, False])
def test_a_glob_may_match_more_files_than_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, *, bounded: bool
) -> None:
    """Each file is open while it is read only; all are read in turn, a few bytes at a time."""
    monkeypatch.setattr(reader_module, "CHUNK_BYTES", 20)
    write(tmp_path, FILES, suffix)
    readers = opened(source(tmp_path / f"*{suffix}"), bounded=bounded)
    assert read_in_turn(readers) == [[10.0 * number + row for row in range(3)] for number in range(FILES)]


def test_a_file_that_was_read_is_closed(tmp_path: Path) -> None:
    """Before the reader is, which a flow closes with the last one."""
    write(tmp_path, 10)
    before = open_files()
    readers = opened(source(tmp_path / "*.jsonl"), bounded=True)
    read_in_turn(readers)
    assert open_files() == before


def test_too_many_followed_files_are_told_before_the_start(tmp_path: Path) -> None:
    """They must stay open, so that nothing is missed when they are renamed; the text says what to do."""
    write(tmp_path, FILES)
    with pytest.raises(UnavailableError, match=r"followed files must be at most \d+ .*, were 200: .*ulimit -n \d+"):
        source(tmp_path / "*.jsonl", follow=True).partitions()


@pytest.mark.parametrize(("change", "error"), [("gone", MissingInputError), ("replaced", UnavailableError)])
def test_a_file_that_changes_while_it_waits_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, error: type[Exception]
) -> None:
    """Reading on in another file of its name would be reading nonsense."""
    monkeypatch.setattr(reader_module, "CHUNK_BYTES", 20)
    write(tmp_path, FILES)
    first = opened(source(tmp_path / "*.jsonl"), bounded=True)[0]
    first.poll()
    (tmp_path / "0000.jsonl").rename(tmp_path / "old")
    if change == "replaced":
        (tmp_path / "0000.jsonl").write_bytes((tmp_path / "old").read_bytes())
    with pytest.raises(error, match=r"file must .*0000\.jsonl"):
        read_in_turn([first])
