"""Hash of a slice of bytes, for tables that compare the bytes themselves wherever hashes agree."""

from __future__ import annotations

from typing import Final

import numpy as np

from pynomaly.domain.jit import compiled
from pynomaly.domain.record import ByteColumn

_FNV_OFFSET: Final = np.uint64(14695981039346656037)
_FNV_PRIME: Final = np.uint64(1099511628211)


@compiled
def hash_bytes(data: ByteColumn, start: int, length: int) -> np.uint64:
    """FNV-1a, 64 bits (Fowler, Noll and Vo)."""
    code = _FNV_OFFSET
    for position in range(start, start + length):
        code = (code ^ np.uint64(data[position])) * _FNV_PRIME
    return code
