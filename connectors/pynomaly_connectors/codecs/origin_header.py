"""The header by which a copied record says which record of the input it is.

`pynomaly.origin`, 28 bytes, big-endian: the 16 bytes of the input's topic id (zeros if it has none), partition (4)
and offset (8). Of fixed width, so that compiled code can read it. Of several the last one counts, for a record may
have been through a repartitioner before.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pynomaly.domain.origin import OFFSET, Origins
from pynomaly.domain.record import Int64Column, RawRecord, RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, Headers, RawBatch

ORIGIN: Final = "pynomaly.origin"
_LAYOUT: Final = np.dtype([("high", ">i8"), ("low", ">i8"), ("partition", ">i4"), ("offset", ">i8")])
ORIGIN_BYTES: Final = _LAYOUT.itemsize
_ID_BYTES: Final = 16


def origin_headers(stream: Stream, offset: Int64Column) -> Iterator[bytes]:
    """Yield the header of each record of a stream."""
    identity = np.frombuffer(topic_id_bytes(stream.incarnation), ">i8")
    table = np.empty(len(offset), _LAYOUT)
    table["high"], table["low"] = identity
    table["partition"], table["offset"] = stream.partition, offset
    data = table.tobytes()
    return (data[begin : begin + ORIGIN_BYTES] for begin in range(0, len(data), ORIGIN_BYTES))


def topic_id_bytes(written: str) -> bytes:
    """Return Kafka's topic id as its 16 bytes; zeros for none.

    >>> topic_id_bytes("BWUTfCr3SJyPaiNNTIUBpg").hex()
    '0565137c2af7489c8f6a234d4c8501a6'
    """
    return base64.urlsafe_b64decode(f"{written}==") if written else bytes(_ID_BYTES)


def origins_of(topic: str, raw: RawBatch) -> Origins:
    """Read the header of each record; a record without one, or with one of another shape, has no origin."""
    found, is_there = raw.fixed_header(ORIGIN, ORIGIN_BYTES)
    table = found.reshape(-1).view(_LAYOUT)
    place = np.stack([table[name].astype(np.int64) for name in _LAYOUT.names or ()], axis=1)
    is_sound = is_there & (table["partition"] >= 0) & (table["offset"] >= 0)
    place[~is_sound, OFFSET] = -1
    return Origins(topic, place)


def without_origin(headers: Headers) -> Headers:
    """Return the headers that the producer gave the record."""
    return tuple(header for header in headers if header[0] != ORIGIN)


@dataclass(frozen=True, slots=True)
class OriginDecoder:
    """A decoder whose batches tell where their records stood in the input.

    Parameters
    ----------
    records
        Reads the records.
    topic
        Name of the input.
    """

    records: Decoder
    topic: str

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``, in its order; what is kept of it is what its producer wrote."""
        batch = self.records.decode(stream, raw)

        def as_produced(row: int) -> RawRecord:
            record = batch.raw(row)
            return replace(record, headers=without_origin(record.headers))

        return replace(batch, origins=origins_of(self.topic, raw), raw=as_produced)
