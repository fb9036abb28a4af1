"""How much of a rejected record its dead letter keeps.

A topic takes messages of up to 1,048,588 bytes unless it is told otherwise. A dead letter that is larger could never be
delivered, and a flow that must not lose it would stop at the same record for ever. Of a record that is too large for
the flow itself the beginning is enough to know it by.
"""

from __future__ import annotations

from typing import Final

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord

#: Bytes of key, value and headers that are kept together; what is left of a message's limit is for our own headers.
KEPT_BYTES: Final = 1_000_000
#: Bytes of the same of a record that was rejected for its size.
KEPT_OF_TOO_LARGE_BYTES: Final = 256 * 1024
_FRAME_BYTES: Final = 10  # the lengths of a header's name and value, at most


def kept_record(raw: RawRecord, reason: Reason) -> tuple[RawRecord, dict[str, str]]:
    """Cut a record to what a dead letter keeps of it, and return the headers that tell what is missing.

    The value loses its end. Key and headers stay whole, or are left out where they take more than half of the room.
    """
    most = KEPT_OF_TOO_LARGE_BYTES if reason is Reason.TOO_LARGE else KEPT_BYTES
    value, beside = raw.value or b"", _bytes_beside(raw)
    value_bytes = len(value) if raw.value_bytes is None else raw.value_bytes
    if value_bytes + beside <= most:
        return raw, {}
    missing = ["key", "headers"] if beside > most // 2 else []
    kept = RawRecord(value) if missing else RawRecord(value, raw.key, raw.headers)
    room = most - _bytes_beside(kept)
    if value_bytes > room:
        missing.append("value")
        kept = RawRecord(value[:room], kept.key, kept.headers)
    return kept, {"pynomaly.truncated": ",".join(missing), "pynomaly.value_bytes": str(value_bytes)}


def _bytes_beside(raw: RawRecord) -> int:
    headers = sum(_FRAME_BYTES + len(name.encode()) + len(value or b"") for name, value in raw.headers)
    return len(raw.key or b"") + headers
