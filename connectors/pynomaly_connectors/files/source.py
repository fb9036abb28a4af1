"""Files as a record source: one stream for each file."""

from __future__ import annotations

import glob
import resource
import sys
from pathlib import Path
from typing import Final, Literal

from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.source import FileSource
from pynomaly.domain.error import ConfigError, MissingInputError, Problem, UnavailableError
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.json_scanner import scan as compiled_scan
from pynomaly_connectors.codecs.scanned import Scan
from pynomaly_connectors.files.content import Content
from pynomaly_connectors.files.formats import CsvLines, JsonLines, LineFormat
from pynomaly_connectors.files.reader import FilePosition, FileReader

Format = Literal["csv", "jsonl"]
#: Formats that need not be given, by the suffix of a file; `.gz` may follow.
FORMAT_OF_SUFFIX: Final[dict[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

_OTHER_DESCRIPTORS: Final = 100  # that outputs, the recovery store, sockets and imports may need


class FileRecordSource:
    """The files of a path or glob, each a stream of its own with partition 0 and record numbers as offsets.

    The set of files is fixed when `partitions` is called; a file that appears later is read by the next start.

    Parameters
    ----------
    spec
        Which files.
    record
        The shape of the records.
    scan
        Compiled scanner for the fast JSON decoder.
    ids
        How the ids of records are read; None: they have none.

    Raises
    ------
    ConfigError
        When series keys are to come from message keys, which files have not.
    """

    def __init__(
        self, spec: FileSource, record: RecordSpec, scan: Scan = compiled_scan, ids: RecordSpec | None = None
    ) -> None:
        if record.series_from == "message_key":
            raise ConfigError(Problem("record.series_from", "must be 'fields' for files, was 'message_key'"))
        self._spec = spec
        self._record = record
        self._scan = scan
        self._ids = ids
        self._keep_open = True

    @property
    def partitions_may_go(self) -> bool:
        """Files that were read are archived or deleted."""
        return True

    @property
    def partitions_may_come(self) -> bool:
        """Files come every day."""
        return True

    def partitions(self) -> list[str]:
        """Name the files as the path or glob of the flow matches them, sorted.

        Raises
        ------
        MissingInputError
            When there is none, or a folder is named instead.
        UnavailableError
            When more files are to be followed than this process may hold open.
        """
        files = matching_files(self._spec.path)
        limit = _descriptor_limit()
        most = max(1, limit - _OTHER_DESCRIPTORS)
        # Any number can be read, but not all of them held open. A followed one must be, or a rename loses its end.
        self._keep_open = len(files) <= most
        if self._spec.follow and not self._keep_open:
            raise UnavailableError(
                f"followed files must be at most {most} (this process may open {limit}), were {len(files)}: raise the "
                f"limit (ulimit -n {len(files) + _OTHER_DESCRIPTORS}), or divide them between several flows"
            )
        return files

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> FileReader:
        """Open one file.

        Raises
        ------
        ConfigError
            When its format cannot be told, or a packed file is to be followed.
        UnavailableError
            When it cannot be read, or is not the file that ``position`` was taken in.
        """
        return self.open_as(partition, Stream(partition), position, bounded=bounded)

    def open_as(self, path: str, stream: Stream, position: bytes | None, *, bounded: bool) -> FileReader:
        """Open one file under another name."""
        follow = self._spec.follow
        if follow and path.endswith(".gz"):
            raise ConfigError(Problem("source.follow", f"must be false for packed files, was true for {path!r}"))
        begin = FilePosition() if position is None else FilePosition.parse(position)
        lines = self._lines(path, stream, begin)
        content = Content(path, to_present_end=bounded or not follow, keep_open=self._keep_open)
        try:
            return FileReader(
                content,
                stream,
                lines,
                begin,
                batch_records=self._spec.batch_records,
                most_bytes=self._record.max_bytes,
                follow=follow,
                bounded=bounded,
            )
        except BaseException:
            content.close()
            raise

    def _lines(self, path: str, stream: Stream, begin: FilePosition) -> LineFormat:
        if self._format(path) == "jsonl":
            return JsonLines(stream, json_decoder(self._record, self._spec.decoder, self._scan, self._ids))
        spec = self._spec
        return CsvLines(stream, self._record, spec.delimiter, spec.batch_records, begin.header, self._ids)

    def _format(self, path: str) -> Format:
        told = self._spec.format or FORMAT_OF_SUFFIX.get(content_suffix(path))
        if told is None:
            known = ", ".join(FORMAT_OF_SUFFIX)
            raise ConfigError(
                Problem("source.format", f"must be given for files that do not end in {known}, was {path!r}")
            )
        return told


def _descriptor_limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def matching_files(path: str) -> list[str]:
    """Name the files that a path or glob matches, sorted and spelled as it spells them.

    Raises
    ------
    MissingInputError
        When there is none, or a folder is named instead.
    """
    if Path(path).is_dir():
        raise MissingInputError(f"path must be a file or a glob, was the folder {path!r}: say {path.rstrip('/')}/*")
    found = [path] if Path(path).is_file() else glob.glob(path, recursive=True)  # noqa: PTH207 - keeps names as given
    files = sorted(name for name in found if Path(name).is_file())
    if not files:
        raise MissingInputError(f"path must match at least one file, was {path!r} (seen from {Path.cwd()})")
    return files


def content_suffix(path: str) -> str:
    """Return the suffix, in small letters, that tells what is in a file, packed or not."""
    return Path(path.removesuffix(".gz")).suffix.lower()
