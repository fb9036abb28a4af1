"""The ids of records, read beside any decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pynomaly.application.spec.dedupe import DedupeSpec, identified_record
from pynomaly.application.spec.record import RecordSpec, TimeSpec
from pynomaly.application.spec.source import FileSource
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly_connectors.codecs.choose import DecoderChoice, json_decoder
from pynomaly_connectors.codecs.json_scanner import scan
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.files.source import FileRecordSource

RECORD = RecordSpec(time=TimeSpec(field="t", format="s"), series=("s",), values=("v",))
ID = identified_record(DedupeSpec(field="id"), RECORD)


def _ids(batch: RecordBatch) -> list[bytes]:
    assert batch.source_id is not None
    return [batch.source_id[row] for row in range(len(batch))]


@pytest.mark.parametrize("choice", ["fast", "portable"])
def test_json_records_have_the_ids_of_their_producer(choice: DecoderChoice) -> None:
    """Text and integers are ids; a record without one is refused, unless something else is wrong with it."""
    payloads: dict[bytes | None, tuple[bytes, int]] = {
        b'{"t": 1700000000, "s": "a", "v": 1, "id": "x-1"}': (b"x-1", 0),
        b'{"id": 17, "t": 1700000000, "s": "a", "v": 2}': (b"17", 0),
        b'{"t": 1700000000, "s": "a", "v": 1, "id": "\\u00e9"}': ("é".encode(), 0),
        b'{"t": 1700000000, "s": "a", "v": 3}': (b"", Reason.MISSING_FIELD),
        b'{"t": 1700000000, "s": "a", "v": 4, "id": ""}': (b"", Reason.BAD_ID),
        b'{"t": 1700000000, "s": "a", "v": 5, "id": 1.5}': (b"", Reason.BAD_ID),
        b'{"t": 1700000000, "s": "a", "v": "?", "id": "x-2"}': (b"x-2", Reason.NOT_A_NUMBER),
        b'{"t": 1700000000, "s": "a", "v": "?"}': (b"", Reason.NOT_A_NUMBER),
        b"nothing": (b"", Reason.MALFORMED),
        None: (b"", Reason.NO_PAYLOAD),
    }
    decoder = json_decoder(RECORD, choice, KernelLibrary.default().entry(scan), ID)
    batch = decoder.decode(Stream("x"), RawBatch.of(list(payloads), np.arange(len(payloads))))
    assert list(zip(_ids(batch), batch.refusal.tolist(), strict=True)) == list(payloads.values())
    bad = batch.refusal != 0
    assert np.isnan(batch.values[bad]).all()
    assert not batch.time_ns[bad].any()
    assert not batch.key.length[bad].any()
    assert batch.values[~bad, 0].tolist() == [1, 2, 1]
    assert batch.slice(1, 3).source_id is not None
    assert _ids(batch.slice(1, 3)) == [b"17", "é".encode()]


@pytest.mark.parametrize("quoted", [False, True])
def test_csv_records_have_ids_too(tmp_path: Path, quoted: bool) -> None:  # noqa: FBT001
    """A column is the id; an empty cell is none."""
    cell = '"1.5"' if quoted else "1.5"
    path = tmp_path / "records.csv"
    path.write_text(f"t,s,v,id\n1700000000,a,{cell},x-1\n1700000001,a,2,\n1700000002,a,3,x-1\n")
    source = FileRecordSource(FileSource(kind="files", path=str(path)), RECORD, ids=ID)
    reader = source.open(str(path), None, bounded=True)
    batch = reader.poll()
    reader.close()
    assert batch is not None
    assert _ids(batch) == [b"x-1", b"", b"x-1"]
    assert batch.refusal.tolist() == [0, Reason.MISSING_FIELD, 0]
    assert batch.values[0, 0] == 1.5
