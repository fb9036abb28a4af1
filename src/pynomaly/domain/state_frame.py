"""What every saved state is framed by: a magic word, a checksum, a JSON header. Read and written without its arrays.

`pynomaly.domain.state` has the layout. Whoever needs the header alone, as the doctor of the recovery store does before
every start, need not load NumPy for it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from pynomaly.domain.error import StateError

MAGIC: Final = b"PNST"
FORMAT: Final = 1
ALIGNMENT: Final = 8
_PREFIX: Final = struct.Struct("<4sH32s")
_LENGTH: Final = struct.Struct("<I")

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Packed:
    """A state as buffers in a row, without a copy of its arrays: write them before the arrays change.

    Parameters
    ----------
    checksum
        32 bytes; equal states have equal ones.
    buffers
        What to write, one after another.
    """

    checksum: bytes
    buffers: Sequence[Buffer]

    @property
    def size(self) -> int:
        """Length of it all [bytes]."""
        return sum(len(buffer) for buffer in self.buffers)


@dataclass(frozen=True, slots=True)
class Framed:
    """A verified state whose arrays are still bytes.

    Parameters
    ----------
    header
        JSON-able facts.
    sections
        What the header says of the arrays, by name.
    arrays
        Their bytes, one after another.
    """

    header: Mapping[str, object]
    sections: Mapping[str, Any]
    arrays: memoryview


def frame(header: Mapping[str, object], sections: Mapping[str, object], arrays: Sequence[Buffer]) -> Packed:
    """Put a frame around arrays, which are padded already; costs one hash of them."""
    text = _canonical({"header": dict(header), "sections": sections})
    text += b" " * (-(len(text) + _LENGTH.size + _PREFIX.size) % ALIGNMENT)
    body = [_LENGTH.pack(len(text)) + text, *arrays]
    checksum = _checksum(*body)
    return Packed(checksum, [_PREFIX.pack(MAGIC, FORMAT, checksum), *body])


def unframe(data: Buffer) -> Framed:
    """Verify what `frame` wrote, and read all but the arrays.

    Raises
    ------
    StateError
        When the bytes are not a state, of a newer format, torn or altered.
    """
    if len(data) < _PREFIX.size + _LENGTH.size:
        raise StateError(f"state must be at least {_PREFIX.size + _LENGTH.size} bytes, was {len(data)}")
    magic, version, checksum = cast("tuple[bytes, int, bytes]", _PREFIX.unpack_from(data))
    if magic != MAGIC:
        raise StateError(f"state must begin with {MAGIC!r}, was {magic!r}: not written by pynomaly")
    if version > FORMAT:
        raise StateError(f"state format must be at most {FORMAT}, was {version}: written by a newer pynomaly")
    body = memoryview(data)[_PREFIX.size :]
    if checksum != _checksum(body):
        raise StateError("state checksum must match its content: the bytes were altered or cut")
    (length,) = cast("tuple[int]", _LENGTH.unpack_from(body))
    end = _LENGTH.size + length
    described = json.loads(bytes(body[_LENGTH.size : end]))
    return Framed(described["header"], described["sections"], body[end:])


def checksum_of(data: Buffer) -> bytes:
    """Return the checksum that a packed state carries, unverified."""
    return cast("tuple[bytes, int, bytes]", _PREFIX.unpack_from(data))[2]


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()


def _checksum(*body: Buffer) -> bytes:
    made = hashlib.blake2b(digest_size=32)
    for buffer in body:
        made.update(buffer)
    return made.digest()
