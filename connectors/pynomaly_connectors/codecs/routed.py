"""Records of which only the series is read, kept whole to be passed on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.fields import SeriesRule
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.codecs.scanned import keys_beside_payload


@dataclass(frozen=True, slots=True)
class RoutedDecoder:
    """Gives the rows of a decoder that reads the series, with the records whole.

    Parameters
    ----------
    series
        Reads the series as the flow's own decoder does.
    """

    series: Decoder

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``, in its order."""
        return replace(self.series.decode(stream, raw), whole=raw.whole)


class MessageKeys:
    """The decoder where the message key is the series: payloads are not looked at."""

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``; one without a usable key is refused."""
        rows = len(raw)
        usable, none = np.ones(rows, np.bool_), np.zeros(rows, np.int64)
        keys = keys_beside_payload(SeriesRule(0, from_message_key=True), raw, usable, stream.partition)
        if keys is None:
            raise TypeError("series must be the message key")
        refusal = np.where(usable, 0, Reason.BAD_SERIES.value).astype(np.uint8)
        return RecordBatch(stream, raw.offset, none, keys, np.zeros((rows, 0)), refusal, raw.record)
