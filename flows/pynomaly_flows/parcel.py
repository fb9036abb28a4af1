"""Messages as bytes, on their way to the output.

In a cluster one process writes an output, and the messages of the others are sent to it. Bytewax pickles what it sends;
of bytes that makes nothing but bytes, which is all that the receiver reads (`unpickling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from pynomaly.application.ports import Message

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Message])


def pack(messages: Sequence[Message]) -> bytes:
    """Return messages as bytes; costs about 0.2 us a message."""
    return _encoder.encode(messages)


def unpack(parcel: bytes) -> list[Message]:
    """Return what `pack` was given.

    Raises
    ------
    msgspec.ValidationError
        When it is something else.
    """
    return _decoder.decode(parcel)
