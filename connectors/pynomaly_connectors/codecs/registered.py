"""Records that begin with the id of their schema: Confluent's wire format.

A payload is a zero byte, the id as four bytes, most significant first, and the body. Records of one schema are decoded
together, by a decoder made once for that schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import Int64Column, KeyColumn, RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, RawBatch

HEADER_BYTES: Final = 5

_Part = tuple[Int64Column, RecordBatch]


class Schemas(Protocol):
    """What schema ids mean; see `pynomaly_connectors.registry.store.SchemaStore`."""

    def get(self, schema_id: int) -> Decoder | None:
        """Return the decoder of the bodies of an id; None if it has no schema of the flow's format."""
        ...

    def forget_unknown(self) -> None:
        """Let ids be asked for again that had none some time ago."""
        ...


class RegisteredDecoder:
    """Decodes by the schemas that the records name.

    Rows cost what the decoders of their schemas cost, and about 0.02 us more, or 0.2 us in batches of several schemas.

    Parameters
    ----------
    schemas
        Decoders by id.
    max_bytes
        Longer payloads are refused.
    fields
        Number of value fields.
    """

    def __init__(self, schemas: Schemas, max_bytes: int, fields: int) -> None:
        self._schemas = schemas
        self._max_bytes = max_bytes
        self._fields = fields
        self._waiting: set[Stream] = set()

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``, in its order.

        Raises
        ------
        NotYetDecodableError
            While the registry is asked for one of the schemas.
        TransientError, UnavailableError
            When it does not answer, or refuses us.
        """
        if not self._waiting:  # what a waiting batch knows by now must not be asked for anew
            self._schemas.forget_unknown()
        self._waiting.add(stream)
        refusal = self._refusals(raw)
        ids = _schema_ids(raw, refusal)
        distinct = np.unique(ids[refusal == 0]).tolist()
        decoders = {schema_id: self._schemas.get(schema_id) for schema_id in distinct}
        self._waiting.discard(stream)
        parts: list[_Part] = []
        for schema_id, decoder in decoders.items():
            rows = np.flatnonzero((ids == schema_id) & (refusal == 0))
            if decoder is None:
                refusal[rows] = Reason.UNKNOWN_SCHEMA
            else:
                parts.append((rows, decoder.decode(stream, _bodies(raw, rows))))
        return _merged(stream, raw, refusal, parts, self._fields)

    def _refusals(self, raw: RawBatch) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        refusal = np.zeros(len(raw), np.uint8)
        refusal[raw.length < HEADER_BYTES] = Reason.NO_SCHEMA_ID
        refusal[raw.length > self._max_bytes] = Reason.TOO_LARGE
        refusal[raw.length < 0] = Reason.NO_PAYLOAD
        sound = np.flatnonzero(refusal == 0)
        refusal[sound[raw.data[raw.start[sound]] != 0]] = Reason.NO_SCHEMA_ID
        return refusal


def _schema_ids(raw: RawBatch, refusal: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Int64Column:
    ids = np.full(len(raw), -1, np.int64)
    sound = np.flatnonzero(refusal == 0)
    start = raw.start[sound]
    octets = [raw.data[start + place].astype(np.int64) for place in range(1, HEADER_BYTES)]
    ids[sound] = octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]
    return ids


def _bodies(raw: RawBatch, rows: Int64Column) -> RawBatch:
    """Return what follows the header, of some rows."""
    keys = raw.keys if raw.keys is None or len(rows) == len(raw) else [raw.keys[row] for row in rows.tolist()]
    return RawBatch(raw.data, raw.start[rows] + HEADER_BYTES, raw.length[rows] - HEADER_BYTES, raw.offset[rows], keys)


def _merged(
    stream: Stream,
    raw: RawBatch,
    refusal: np.ndarray[tuple[int], np.dtype[np.uint8]],
    parts: Sequence[_Part],
    fields: int,
) -> RecordBatch:
    """Put rows of several schemas, and refused ones, in the order of the batch."""
    if len(parts) == 1 and len(parts[0][0]) == len(raw):
        only = parts[0][1]
        return RecordBatch(stream, raw.offset, only.time_ns, only.key, only.values, only.refusal, raw.record)
    time_ns, values = np.zeros(len(raw), np.int64), np.full((len(raw), fields), np.nan)
    key_start, key_length = np.zeros(len(raw), np.int64), np.zeros(len(raw), np.int64)
    buffers = [np.zeros(0, np.uint8)]
    behind = 0
    for rows, part in parts:
        time_ns[rows], values[rows], refusal[rows] = part.time_ns, part.values, part.refusal
        key_start[rows], key_length[rows] = part.key.start + behind, part.key.length
        buffers.append(part.key.data)
        behind += len(part.key.data)
    key = KeyColumn(np.concatenate(buffers), key_start, key_length)
    return RecordBatch(stream, raw.offset, time_ns, key, values, refusal, raw.record)
