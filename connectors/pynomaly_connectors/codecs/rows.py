"""Rows of decoders that work record by record, and how they become columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import Float64Matrix, Int64Column, KeyColumn, RecordBatch, Stream
from pynomaly_connectors.codecs.payload import RawBatch


class Row(NamedTuple):
    """One decoded record; a refused one has a reason, time 0, an empty key and NaN values."""

    time_ns: int
    key: bytes
    values: Sequence[float]
    reason: int = Reason.ACCEPTED.value


class RefusedError(Exception):
    """One record breaks a rule; never leaves the codecs, which turn it into a refused row."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason)  # made for every refused record: no text


@cache
def refused_row(reason: Reason, fields: int) -> Row:
    """Return the row that stands for a record that cannot be used."""
    return Row(0, b"", (float("nan"),) * fields, reason.value)


def same_key(key: bytes, rows: int) -> KeyColumn:
    """Return a column in which every row has the same key."""
    return KeyColumn(np.frombuffer(key, np.uint8), np.zeros(rows, np.int64), np.full(rows, len(key), np.int64))


def assemble(stream: Stream, raw: RawBatch, rows: Sequence[Row], fields: int) -> RecordBatch:
    """Put one row for each record of ``raw`` into columns."""
    return RecordBatch(
        stream,
        raw.offset,
        np.array([row.time_ns for row in rows], np.int64),
        KeyColumn.of([row.key for row in rows]),
        np.array([row.values for row in rows], np.float64).reshape(len(rows), fields),
        np.array([row.reason for row in rows], np.uint8),
        raw.record,
    )


def without_refused(batch: RecordBatch) -> RecordBatch:
    """Leave nothing of the rows that are refused."""
    bad = batch.refusal != 0
    time_ns: Int64Column = np.where(bad, 0, batch.time_ns)
    length: Int64Column = np.where(bad, 0, batch.key.length)
    values: Float64Matrix = np.where(bad[:, None], np.nan, batch.values)
    return replace(batch, time_ns=time_ns, key=KeyColumn(batch.key.data, batch.key.start, length), values=values)
