"""The series of a stream at rest: in the order in which they began, so that equal series are equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import StateError
from pynomaly.domain.record import ByteColumn, Int64Column, KeyColumn
from pynomaly.domain.series.clock import CLOCK
from pynomaly.domain.state import StateImage

#: A series without its key and its number.
KNOWN: Final = np.dtype([("born", "i8"), ("last_offset", "i8"), ("seen_ns", "i8")], align=True)
#: Records to the next sweep, and what it will have to tell.
SWEEP: Final = np.dtype([("until_sweep", "i8"), ("expired", "i8"), ("displaced", "i8")], align=True)

_LAYOUT: Final = {
    "known": KNOWN,
    "keys": np.dtype(np.uint8),
    "key_end": np.dtype(np.int64),
    "clock": CLOCK,
    "sweep": SWEEP,
    "examples": np.dtype(np.uint8),
    "example_end": np.dtype(np.int64),
}


@dataclass(frozen=True, slots=True)
class SeriesImage:
    """Everything that decides which series live.

    Parameters
    ----------
    known
        ``(m,)`` of `KNOWN`, oldest first.
    key
        ``(m,)`` their keys.
    clock, sweep
        One row each.
    examples
        Keys that the next report will name.
    """

    known: NDArray[Any]
    key: KeyColumn
    clock: NDArray[Any]
    sweep: NDArray[Any]
    examples: Sequence[bytes]

    def pack(self) -> StateImage:
        """Return the image as sections of a state."""
        keys, key_end = _joined(self.key)
        examples, example_end = _joined(KeyColumn.of(self.examples))
        arrays = (self.known, keys, key_end, self.clock, self.sweep, examples, example_end)
        return StateImage({}, dict(zip(_LAYOUT, arrays, strict=True)))

    @classmethod
    def unpack(cls, image: StateImage) -> SeriesImage:
        """Read what `pack` returned.

        Raises
        ------
        StateError
            When the sections are not those, or do not fit together.
        """
        sections = image.sections
        if set(sections) != set(_LAYOUT):
            raise StateError(f"saved series must have {', '.join(_LAYOUT)}, had {sorted(sections)}")
        for name, dtype in _LAYOUT.items():
            if sections[name].dtype != dtype:
                raise StateError(f"saved series: {name} must be {dtype}, was {sections[name].dtype}")
        key = _split(sections["keys"], sections["key_end"])
        examples = _split(sections["examples"], sections["example_end"])
        known, clock, sweep = (_own(sections[name], _LAYOUT[name]) for name in ("known", "clock", "sweep"))
        if len(known) != len(key) or len(clock) != 1 or len(sweep) != 1 or np.any(np.diff(known["born"]) <= 0):
            raise StateError("saved series must be consistent, were not: the state is damaged")
        return cls(known, key, clock, sweep, [examples[row] for row in range(len(examples))])


def _joined(key: KeyColumn) -> tuple[ByteColumn, Int64Column]:
    """Return the bytes of keys one after the other, and where each ends."""
    end = np.cumsum(key.length)
    if np.array_equal(key.start, end - key.length):
        return key.data[: int(end[-1]) if len(end) else 0], end
    position = np.repeat(key.start - end + key.length, key.length) + np.arange(int(end[-1]))
    return key.data[position], end


def _split(data: ByteColumn, end: Int64Column) -> KeyColumn:
    length = np.diff(end, prepend=0)
    if np.any(length < 0) or (int(end[-1]) if len(end) else 0) != len(data):
        raise StateError("series keys must be consistent, were not: the state is damaged")
    return KeyColumn(data, end - length, length)


def _own(rows: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Copy rows read from bytes: those have an equal dtype that is another type to compiled code."""
    own = np.empty(len(rows), dtype)
    own[...] = rows
    return own
