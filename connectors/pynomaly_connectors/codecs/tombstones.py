"""What a flow makes of records without payload: in a compacted topic they delete a key, which is no fault."""

from __future__ import annotations

from pynomaly.application.spec.source import Tombstones
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, RawBatch


class TombstoneIgnorer:
    """Gives the rows of another decoder, those without payload as *ignored* instead of *rejected*.

    Parameters
    ----------
    decoder
        Refuses records without payload, and only those, as ``NO_PAYLOAD``.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``, in its order."""
        batch = self._decoder.decode(stream, raw)
        batch.refusal[batch.refusal == Reason.NO_PAYLOAD] = Reason.TOMBSTONE
        return batch


def with_tombstones(decoder: Decoder, policy: Tombstones) -> Decoder:
    """Return a decoder that follows a flow's policy."""
    return TombstoneIgnorer(decoder) if policy == "ignore" else decoder
