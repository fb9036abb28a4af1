"""Batches of JSON records, as one stream brings them and a decoder reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cached_kernels import SCAN
from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.choose import DecoderChoice, json_decoder
from pynomaly_connectors.codecs.payload import RawBatch

STREAM = Stream("records", 7)
T_MS = 1_700_000_000_123
T_NS = 1_700_000_000_123_000_000


def spec(**changes: Any) -> RecordSpec:
    """Return a record of a millisecond time, one series field and one value, with changes."""
    fields = {"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": ("value",)}
    return RecordSpec.model_validate({**fields, **changes})


def raw_of(*payloads: bytes | None, keys: list[bytes | None] | None = None) -> RawBatch:
    """Return payloads with offsets from 100 on."""
    return RawBatch.of(payloads, np.arange(100, 100 + len(payloads)), keys)


def decode(choice: DecoderChoice, record: RecordSpec, *payloads: bytes | None) -> RecordBatch:
    """Decode payloads of one batch."""
    return json_decoder(record, choice, SCAN).decode(STREAM, raw_of(*payloads))
