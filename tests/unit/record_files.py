"""Files of records: written in each format, opened as a source and read to their end."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.source import FileSource
from pynomaly.domain.record import RecordBatch
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


def content(path: Path, *numbers: float) -> str:
    """Return records in the format of a file name."""
    return csv(*numbers) if ".csv" in path.name else jsonl(*numbers)
