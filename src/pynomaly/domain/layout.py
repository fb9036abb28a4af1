"""Memory of what compiled code keeps for each series, and of what it reads of options: rows of structured arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Layout:
    """Memory of a detector or calibrator under given options.

    Parameters
    ----------
    initial
        ``(1,)`` structured array: the state of a series before its first record.
    params
        ``(1,)`` structured array: what the options come to, shared by all series.
    """

    initial: NDArray[Any]
    params: NDArray[Any]

    @property
    def bytes_per_series(self) -> int:
        """Size of one series' state [bytes]."""
        return self.initial.dtype.itemsize


def zeros(fields: list[tuple[Any, ...]]) -> NDArray[Any]:
    """Return one zeroed row of an aligned structured dtype.

    What is missing to a whole word at its end becomes a field: bytes of padding would differ from copy to copy.
    """
    last = np.dtype(fields, align=True)
    end = max(offset + kind.itemsize for kind, offset, *_ in (last.fields or {}).values())
    missing = last.itemsize - end
    return np.zeros(1, np.dtype([*fields, ("unused", "u1", (missing,))] if missing else fields, align=True))


def row(**values: float) -> NDArray[Any]:
    """Return a ``(1,)`` structured array of numbers: integers as int64, booleans as bool, others as float64."""
    kinds: dict[type, np.dtype[Any]] = {bool: np.dtype(np.bool_), int: np.dtype(np.int64)}
    fields = [(name, kinds.get(type(value), np.dtype(np.float64))) for name, value in values.items()]
    return np.array([tuple(values.values())], np.dtype(fields, align=True))
