"""The second seam: detectors of other libraries, which score whole batches and learn on their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.event import Event
from pynomaly.domain.option import Options
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
    series
        ``(n,)`` number of each record's series: the offset of its first record, so no number is ever used again.
    values
        ``(n, d)`` the part's fields, finite.
    key
        ``(n,)`` key of each record's series; each becomes a string when it is asked for.
    """

    offset: Int64Column
    time_ns: Int64Column
    series: Int64Column
    values: Float64Matrix
    key: Sequence[str]

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

    def forget(self, series: Int64Column) -> None:
        """Drop what was learned of some series; no record of theirs comes any more. Unknown ones are nothing."""
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


@dataclass(frozen=True, slots=True)
class AdaptedDetector:
    """A detector outside the fused kernel that a flow names, as it names a native one, by a name and options.

    Parameters
    ----------
    name
        What a flow calls it.
    options
        Its options; the class docstring says what the detector catches and when it fails.
    build
        ``(options, names of the d fields) -> factory``; it checks what its options alone cannot say, raises
        `ConfigError` where that does not fit, and starts nothing. Called once for each part of a flow.
    takes_vector
        Whether one part sees all value fields together (else there is one part for each field).
    """

    name: str
    options: type[Options]
    build: Callable[[Any, tuple[str, ...]], AdaptedPartFactory]
    takes_vector: bool = True
