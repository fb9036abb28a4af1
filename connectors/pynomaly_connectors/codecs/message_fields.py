"""Fields of a record that stand beside its payload: in the headers of the message, or its timestamp.

Headers are bytes under names that may come several times. Here they are text: the last header of a name counts, an
empty one is none, and bytes that are not UTF-8 become characters that no number, time or series key may have.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple

from pynomaly.application.spec.record import RecordSpec
from pynomaly_connectors.codecs.payload import Headers, RawBatch


class Beside(NamedTuple):
    """What stands beside one payload: its timestamp [ms], negative if there is none, and its headers."""

    time_ms: int = -1
    headers: Headers = ()

    def text(self, name: str) -> str | None:
        """Return the last header of a name; None if there is none, or nothing in it."""
        for known, value in reversed(self.headers):
            if known == name:
                return value.decode(errors="surrogateescape") if value else None
        return None


NOTHING_BESIDE = Beside()


class MessageFields:
    """Which fields of a flow's records stand beside the payload; a flow without any pays nothing.

    Parameters
    ----------
    spec
        The shape of the records.
    """

    def __init__(self, spec: RecordSpec) -> None:
        self._needs_time = spec.time.from_message
        self._needs_headers = bool(spec.headers)

    def of(self, raw: RawBatch) -> Iterator[Beside]:
        """Yield what stands beside each payload; without end where no field is there."""
        if not self._needs_time and not self._needs_headers:
            return repeat(NOTHING_BESIDE)
        times_ms = raw.timestamp_ms().tolist() if self._needs_time else repeat(-1)
        headers = map(raw.headers, range(len(raw))) if self._needs_headers else repeat(())
        return map(Beside, times_ms, headers)
