"""Where a reader of an append-only log stands: the token that a checkpoint keeps, and what makes it invalid.

A log (a Kafka partition, a topic of the in-memory broker) holds the offsets ``low <= offset < high``. Retention
moves ``low``, deleting and creating the topic again makes another log of the same name. Neither may pass unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.record import Stream

_VERSION = 1


@dataclass(frozen=True, slots=True)
class LogPosition:
    """The next offset to read of one incarnation of a log.

    Parameters
    ----------
    offset
        Offset of the next record, at least 0.
    incarnation
        `Stream.incarnation` of the log it belongs to; may be empty.
    """

    offset: int
    incarnation: str

    def to_bytes(self) -> bytes:
        """Return the token; equal positions give equal bytes."""
        return orjson.dumps({"incarnation": self.incarnation, "offset": self.offset, "version": _VERSION})

    @classmethod
    def from_bytes(cls, token: bytes) -> LogPosition:
        """Read a token.

        Raises
        ------
        StateError
            When it is not one that `to_bytes` wrote.
        """
        try:
            fields = orjson.loads(token)
            version, offset, incarnation = fields["version"], fields["offset"], fields["incarnation"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise StateError(f"saved position must be one of a log, was {token[:80]!r}") from None
        if version != _VERSION or not isinstance(offset, int) or not isinstance(incarnation, str):
            raise StateError(f"saved position must be of version {_VERSION}, was {token[:80]!r}")
        return cls(offset, incarnation)


@dataclass(frozen=True, slots=True)
class Log:
    """What a log holds at the moment of opening it: offsets ``low`` up to, but without, ``high``."""

    stream: Stream
    low: int
    high: int

    def first_offset(self, token: bytes | None, start: Literal["earliest", "latest"]) -> int:
        """Return the offset to read first: the saved one, or the configured end of the log without one.

        Raises
        ------
        StateError
            When the position is of another log of the same name.
        UnavailableError
            When the log no longer, or not yet, holds the saved offset.
        """
        if token is None:
            return self.low if start == "earliest" else self.high
        offset = saved_offset(self.stream, token)
        if not self.holds(offset):
            raise self.out_of_range(offset)
        return offset

    def holds(self, offset: int) -> bool:
        """Whether reading may begin at an offset; at the upper end nothing waits yet."""
        return self.low <= offset <= self.high

    def out_of_range(self, offset: int) -> UnavailableError:
        """Say which records are gone and what to do about it."""
        lost = f"records {offset} to {self.low - 1} were deleted by retention"
        cut = f"the log was cut back to {self.high}, so that other records get the offsets that were read"
        return UnavailableError(
            f"{self.stream} must still hold offset {offset}, was {self.low} to {self.high}: "
            f"{lost if offset < self.low else cut}; start over with --reset-state, and keep records longer "
            "than a flow may stand still"
        )


def saved_offset(stream: Stream, token: bytes) -> int:
    """Return the offset of a saved position, whether or not its log still holds it.

    Raises
    ------
    StateError
        When it is no position, or one of another log of the same name.
    """
    saved = LogPosition.from_bytes(token)
    if saved.incarnation and stream.incarnation and saved.incarnation != stream.incarnation:
        raise StateError(
            f"{stream} must be the stream the state was made from (id {saved.incarnation}), was id "
            f"{stream.incarnation}: it was deleted and created again; start over with --reset-state"
        )
    return saved.offset
