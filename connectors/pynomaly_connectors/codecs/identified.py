"""The ids that producers give their records, beside whatever decoder reads the records.

A record is read once more for its id, by a second decoder of the same format that takes the id for the series key. So
every format can tell repeats; for JSON the second look costs 0.2 us a record, and flows that do not ask for it nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.csv_rows import Cells, CsvDecoder
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.codecs.rows import without_refused


@dataclass(frozen=True, slots=True)
class IdentifiedDecoder:
    """A decoder whose batches have ids; a record without a readable one is refused, after any other reason.

    Parameters
    ----------
    records
        Reads the records.
    ids
        Reads their ids as series keys.
    """

    records: Decoder
    ids: Decoder

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``, in its order."""
        return _identified(self.records.decode(stream, raw), self.ids.decode(stream, raw))


@dataclass(frozen=True, slots=True)
class IdentifiedCsvDecoder:
    """The same for rows of cells."""

    records: CsvDecoder
    ids: CsvDecoder

    def decode(self, stream: Stream, rows: Sequence[Cells | None], raw: RawBatch) -> RecordBatch:
        """Return one row for each of ``rows``, whose bytes are in ``raw``."""
        return _identified(self.records.decode(stream, rows, raw), self.ids.decode(stream, rows, raw))


def _identified(batch: RecordBatch, ids: RecordBatch) -> RecordBatch:
    without_id = (ids.refusal != 0) & (batch.refusal == 0)
    if not without_id.any():
        return replace(batch, source_id=ids.key)
    reason = np.where(ids.refusal == Reason.BAD_SERIES, Reason.BAD_ID, ids.refusal).astype(np.uint8)
    refusal = np.where(without_id, reason, batch.refusal)
    return without_refused(replace(batch, refusal=refusal, source_id=ids.key))
