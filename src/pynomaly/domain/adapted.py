"""The second seam: detectors of other libraries, which score whole batches and learn on their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.event import Event
from pynomaly.domain.record import Float64Matrix, Int64Column, Stream
from pynomaly.domain.state import StateImage


@dataclass(frozen=True, slots=True)
class PartContext:
    """Where an adapted part lives; its events carry these names."""

    flow: str
    stream: Stream
    part: str


@dataclass(frozen=True, slots=True)
class AcceptedRows:
    """The accepted records of a batch, in the order of their stream.

    Parameters
    ----------
    offset, time_ns
        ``(n,)`` position and event time.
    slot
        ``(n,)`` series numbers: 0, 1, 2 ... in the order in which the stream first showed them.
    values
        ``(n, d)`` the part's fields, finite.
    key_of
        Series number -> series key.
    """

    offset: Int64Column
    time_ns: Int64Column
    slot: Int64Column
    values: Float64Matrix
    key_of: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.offset)


class AdaptedPart(Protocol):
    """A detector outside the fused kernel: one instance for each stream.

    It scores each record before learning it, in the order of the rows, and gives the same scores however
    the rows are cut into batches. It learns every accepted record: the learning guard does not reach it.
    """

    def process(self, rows: AcceptedRows) -> tuple[NDArray[np.float64], tuple[Event, ...]]:
        """Score, then learn. Return ``(n,)`` non-negative scores (NaN while warming) and what happened."""
        ...

    def snapshot(self) -> StateImage:
        """Return the state after the last processed row."""
        ...

    def restore(self, image: StateImage) -> None:
        """Take over a state.

        Raises
        ------
        StateError
            When it was written by another detector, version or setting.
        """
        ...

    def close(self) -> None:
        """Release processes and memory; may be called twice."""
        ...


AdaptedPartFactory = Callable[[PartContext], AdaptedPart]
