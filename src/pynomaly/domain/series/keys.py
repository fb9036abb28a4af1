"""Series keys as strings, made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from pynomaly.domain.record import Int64Column


class SeriesKeys(Sequence[str]):
    """The keys of ``m`` slots; each becomes a string when it is asked for, as few ever are.

    Parameters
    ----------
    slot
        ``(m,)`` series numbers.
    key_of
        Slot -> series key.
    """

    def __init__(self, slot: Int64Column, key_of: Callable[[int], str]) -> None:
        self._slot = slot
        self._key_of = key_of

    def __len__(self) -> int:
        return len(self._slot)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> SeriesKeys: ...
    def __getitem__(self, row: int | slice) -> str | SeriesKeys:
        if isinstance(row, slice):
            return SeriesKeys(self._slot[row], self._key_of)
        return self._key_of(int(self._slot[row]))
