"""What decoders with a compiled scanner share: rows that the scanner left, and keys that stand in no field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.record import Int64Column, KeyColumn, RecordBatch
from pynomaly_connectors.codecs.fields import MAX_KEY_BYTES, SeriesRule, is_utf8
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.codecs.rows import Row, same_key

BoolColumn = NDArray[np.bool_]
Scan = Callable[..., None]  # the signature of `json_scanner.scan` or `avro_scanner.scan_avro`


def completed(batch: RecordBatch, accepted: BoolColumn, read_row: Callable[[int], Row]) -> RecordBatch:
    """Put in the rows that the scanner left, each read by its number."""
    if accepted.all():
        return batch
    odd = np.flatnonzero(~accepted)
    rows = [read_row(row) for row in odd.tolist()]
    batch.time_ns[odd] = [row.time_ns for row in rows]
    batch.values[odd] = [row.values for row in rows]
    batch.refusal[odd] = [row.reason for row in rows]
    return replace(batch, key=_with_keys(batch.key, odd, rows))


def keys_beside_payload(series: SeriesRule, raw: RawBatch, accepted: BoolColumn, partition: int) -> KeyColumn | None:
    """Return keys that stand in no field; rows without a usable one are no longer accepted."""
    if series.fields > 0:
        return None
    if not series.from_message_key:
        return same_key(str(partition).encode(), len(raw))
    keys = [raw.key(row) or b"" for row in range(len(raw))]
    column = KeyColumn.of(keys)
    accepted &= (column.length > 0) & (column.length <= MAX_KEY_BYTES)
    if bool((column.data >= 0x80).any()):
        accepted &= np.fromiter(map(is_utf8, keys), np.bool_, len(keys))
    return column


def _with_keys(key: KeyColumn, odd: Int64Column, rows: Sequence[Row]) -> KeyColumn:
    """Replace the keys of the odd rows; the new ones stand behind the old buffer."""
    added = KeyColumn.of([row.key for row in rows])
    if len(added.data) == 0:  # all refused: spares a copy of the whole buffer
        key.start[odd] = key.length[odd] = 0
        return key
    key.start[odd] = added.start + len(key.data)
    key.length[odd] = added.length
    return KeyColumn(np.concatenate([key.data, added.data]), key.start, key.length)
