"""State as bytes: a JSON header, raw arrays, a checksum. No pickle, and nothing is parsed before it is verified.

Layout, little-endian::

    magic "PNST" | format u16 | checksum 32 bytes (BLAKE2b-256 of all that follows)
    header length u32 | header JSON | sections one after another, each padded to 8 bytes

The header names every section with its dtype, shape and size. A dtype is written field by field, so a
state written by other code is told from a corrupt one and both are told from ours.

States of parts are joined flat (`join`), never as bytes within bytes: a large state is hashed once and copied nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.state_frame import ALIGNMENT, Buffer, Packed, frame, unframe

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class StateImage:
    """The content of one saved state.

    Parameters
    ----------
    header
        JSON-able facts: what wrote it, for which flow, at which record.
    sections
        Named arrays, of any dtype without objects.
    """

    header: Mapping[str, object]
    sections: Mapping[str, Array]


def join(header: Mapping[str, object], parts: Mapping[str, StateImage]) -> StateImage:
    """Make one state of those of several parts; `split` takes it apart."""
    described = [[name, dict(image.header)] for name, image in parts.items()]
    sections = {
        f"{number}/{name}": array
        for number, image in enumerate(parts.values())
        for name, array in image.sections.items()
    }
    return StateImage({**header, "parts": described}, sections)


def split(image: StateImage) -> dict[str, StateImage]:
    """Return the parts that `join` made a state of, by name."""
    described = cast("Sequence[tuple[str, Mapping[str, object]]]", image.header["parts"])
    sections: list[dict[str, Array]] = [{} for _ in described]
    for place, array in image.sections.items():
        number, _, name = place.partition("/")
        sections[int(number)][name] = array
    return {name: StateImage(header, own) for (name, header), own in zip(described, sections, strict=True)}


def pack(image: StateImage) -> bytes:
    """Serialise a state; equal states give equal bytes. Costs one copy and one hash of the arrays."""
    return b"".join(packed(image).buffers)


def packed(image: StateImage) -> Packed:
    """Serialise a state into buffers that show its arrays; costs one hash of them (1 s for 1 GB)."""
    described: dict[str, object] = {}
    arrays: list[Buffer] = []
    for name in sorted(image.sections):
        array = np.ascontiguousarray(image.sections[name])
        if array.dtype.hasobject:
            raise TypeError(f"section {name} must not hold Python objects, was {array.dtype}")
        arrays += [array.reshape(-1).view(np.uint8).data, bytes(-array.nbytes % ALIGNMENT)]
        described[name] = {"dtype": _describe(array.dtype), "shape": list(array.shape)}
    return frame(image.header, described, arrays)


def unpack(data: Buffer) -> StateImage:
    """Verify and read what `pack` wrote; the arrays are views of ``data``, not to be written to.

    Raises
    ------
    StateError
        When the bytes are not a state, of a newer format, torn or altered.
    """
    framed = unframe(data)
    return StateImage(framed.header, _read_sections(framed.arrays, framed.sections))


def _read_sections(arrays: memoryview, described: Mapping[str, Any]) -> dict[str, Array]:
    sections: dict[str, Array] = {}
    position = 0
    for name in sorted(described):
        dtype = _dtype(described[name]["dtype"])
        shape = tuple(described[name]["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        sections[name] = np.frombuffer(arrays, dtype, count, position).reshape(shape)
        size = count * dtype.itemsize
        position += size + -size % ALIGNMENT
    return sections


def _describe(dtype: np.dtype[Any]) -> object:
    return np.lib.format.dtype_to_descr(dtype)


def _dtype(description: Any) -> np.dtype[Any]:
    return np.lib.format.descr_to_dtype(_tuples(description))


def _tuples(description: Any) -> Any:
    """Turn JSON's lists back into the tuples that NumPy's format wants."""
    if isinstance(description, str):
        return description
    if isinstance(description, list) and description and isinstance(description[0], str):
        return tuple(_tuples(item) if index == 1 else _shape(item) for index, item in enumerate(description))
    return [_tuples(item) for item in description]


def _shape(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item
