"""The seam that every native detector is built on: one structured row of state and two or three compiled functions.

A series is a row number (slot). The engine owns one structured array per detector, one row a series, so that
memory is ``itemsize x slots``, a snapshot is ``tobytes()``, a version is the dtype and inspection is reading a row.
The functions are inlined into one fused loop per flow; they never see a Python object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.jit import Row
from pynomaly.domain.layout import Layout, row, zeros
from pynomaly.domain.option import Options

Score = Callable[[Row, Row, Any, int], float]
FacetScores = Callable[[Row, Row, Any, int, Any], None]
Learn = Callable[[Row, Row, Any, int], None]

#: *raw*: any non-negative number, larger is stranger, calibrated against the series' own past.
#: *severity*: already -log10 of a tail probability, taken as it is.
#: *evidence*: already in the unit of the alert levels, and judged alone, by the channel that the detector brings.
Scale = Literal["raw", "severity", "evidence"]


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
        Must not write to ``state``. ``x`` is a float, or with `takes_vector` a ``(d,)`` array. With `facets` it is
        ``(state, params, x, time_ns, scores) -> None`` and writes to the ``(m,)`` array that it is given last.
    learn
        ``(state, params, x, time_ns)``: update ``state`` in place. Cost and state are bounded.
    expect
        ``(state, params, x, time_ns) -> float``: the value that would have been ordinary, NaN while unknown;
        None for a detector that has no such notion.
    takes_vector
        Whether one part sees all value fields together (else there is one part for each field).
    scale
        What its scores mean.
    facets
        Names of its ``m`` scores, for a detector that knows several from one state; each is calibrated by itself.
    calibration
        How its scores become severities where nobody says otherwise.
    channel
        How its scores add up and alert by themselves; None: they add to the common evidence.
    """

    name: str
    options: type[Options]
    layout: Callable[[Any, int], Layout]
    score: Score | FacetScores
    learn: Learn
    expect: Score | None = None
    takes_vector: bool = False
    scale: Scale = "raw"
    facets: tuple[str, ...] = ()
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)
    channel: Channel | None = None


def rate(half_life: float) -> float:
    """Return the weight of the newest record in an exponentially weighted mean with that half-life [records]."""
    return float(1.0 - 0.5 ** (1.0 / half_life))


__all__ = ["Detector", "FacetScores", "Layout", "Learn", "Scale", "Score", "rate", "row", "zeros"]
