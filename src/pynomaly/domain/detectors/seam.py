"""The seam that every native detector is built on: one structured row of state and two or three compiled functions.

A series is a row number (slot). The engine owns one structured array per detector, one row a series, so that
memory is ``itemsize x slots``, a snapshot is ``tobytes()``, a version is the dtype and inspection is reading a row.
The functions are inlined into one fused loop per flow; they never see a Python object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import Row
from pynomaly.domain.option import Options

Score = Callable[[Row, Row, Any, int], float]
Learn = Callable[[Row, Row, Any, int], None]

#: *raw*: any non-negative number, larger is stranger, calibrated against the series' own past.
#: *severity*: already -log10 of a tail probability, taken as it is.
Scale = Literal["raw", "severity"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Memory of a detector under given options.

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


@dataclass(frozen=True, slots=True)
class Detector:
    """A native detector.

    Parameters
    ----------
    name
        What a flow calls it.
    options
        Its options; the class docstring says what the detector catches and when it fails.
    layout
        ``(options, d) -> Layout`` for ``d`` value fields (1 unless `takes_vector`).
    score
        ``(state, params, x, time_ns) -> float``: strangeness of ``x`` before learning it, NaN while unknown.
        Must not write to ``state``. ``x`` is a float, or with `takes_vector` a ``(d,)`` array.
    learn
        ``(state, params, x, time_ns)``: update ``state`` in place. Cost and state are bounded.
    expect
        ``(state, params, x, time_ns) -> float``: the value that would have been ordinary, NaN while unknown;
        None for a detector that has no such notion.
    takes_vector
        Whether one part sees all value fields together (else there is one part for each field).
    scale
        What its scores mean.
    """

    name: str
    options: type[Options]
    layout: Callable[[Any, int], Layout]
    score: Score
    learn: Learn
    expect: Score | None = None
    takes_vector: bool = False
    scale: Scale = "raw"


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


def rate(half_life: float) -> float:
    """Return the weight of the newest record in an exponentially weighted mean with that half-life [records]."""
    return float(1.0 - 0.5 ** (1.0 / half_life))
