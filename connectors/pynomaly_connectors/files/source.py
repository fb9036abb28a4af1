"""Files as a record source: one stream for each file."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Final, Literal

from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.source import FileSource
from pynomaly.domain.error import ConfigError, MissingInputError, Problem
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.json_fast import Scan
from pynomaly_connectors.codecs.json_scanner import scan as compiled_scan
from pynomaly_connectors.files.content import Content
from pynomaly_connectors.files.formats import CsvLines, JsonLines, LineFormat
from pynomaly_connectors.files.reader import FilePosition, FileReader

Format = Literal["csv", "jsonl"]
_FORMAT_OF_SUFFIX: Final[dict[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


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

    Raises
    ------
    ConfigError
        When series keys are to come from message keys, which files have not.
    """

    def __init__(self, spec: FileSource, record: RecordSpec, scan: Scan = compiled_scan) -> None:
        if record.series_from == "message_key":
            raise ConfigError(Problem("record.series_from", "must be 'fields' for files, was 'message_key'"))
        self._spec = spec
        self._record = record
        self._scan = scan

    @property
    def partitions_may_go(self) -> bool:
        """Files that were read are archived or deleted."""
        return True

    def partitions(self) -> list[str]:
        """Name the files as the path or glob of the flow matches them, sorted.

        Raises
        ------
        MissingInputError
            When there is none, or a folder is named instead.
        """
        path = self._spec.path
        if Path(path).is_dir():
            raise MissingInputError(f"path must be a file or a glob, was the folder {path!r}: say {path.rstrip('/')}/*")
        found = [path] if Path(path).is_file() else glob.glob(path, recursive=True)  # noqa: PTH207 - keeps names as given
        files = sorted(name for name in found if Path(name).is_file())
        if not files:
            raise MissingInputError(f"path must match at least one file, was {path!r} (seen from {Path.cwd()})")
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
        follow = self._spec.follow and not bounded
        if follow and path.endswith(".gz"):
            raise ConfigError(Problem("source.follow", f"must be false for packed files, was true for {path!r}"))
        begin = FilePosition() if position is None else FilePosition.parse(position)
        lines = self._lines(path, stream, begin)
        content = Content(path, to_present_end=not follow)
        try:
            return FileReader(
                content,
                stream,
                lines,
                begin,
                batch_records=self._spec.batch_records,
                most_bytes=self._record.max_bytes,
                follow=follow,
            )
        except BaseException:
            content.close()
            raise

    def _lines(self, path: str, stream: Stream, begin: FilePosition) -> LineFormat:
        if self._format(path) == "jsonl":
            return JsonLines(stream, json_decoder(self._record, self._spec.decoder, self._scan))
        spec = self._spec
        return CsvLines(stream, self._record, spec.delimiter, spec.batch_records, begin.header)

    def _format(self, path: str) -> Format:
        if self._spec.format is not None:
            return self._spec.format
        suffix = Path(path.removesuffix(".gz")).suffix
        if suffix not in _FORMAT_OF_SUFFIX:
            known = ", ".join(_FORMAT_OF_SUFFIX)
            raise ConfigError(
                Problem("source.format", f"must be given for files that do not end in {known}, was {path!r}")
            )
        return _FORMAT_OF_SUFFIX[suffix]
