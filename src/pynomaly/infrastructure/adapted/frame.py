"""Messages on a pipe: eight bytes of length, then as many bytes."""

from __future__ import annotations

import struct
from typing import IO

_LENGTH = struct.Struct("<Q")


def write_frame(pipe: IO[bytes], payload: bytes) -> None:
    """Write and flush one message; blocks while the pipe is full, raises BrokenPipeError when nobody reads."""
    pipe.write(_LENGTH.pack(len(payload)))
    pipe.write(payload)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> bytes | None:
    """Read one message; None when the other side is gone, in the middle of a message as well."""
    prefix = pipe.read(_LENGTH.size)
    if len(prefix) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(prefix)
    payload = pipe.read(length)
    return payload if len(payload) == length else None
