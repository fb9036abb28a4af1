"""The calibrators by the names that flows use, each with the functions that a fused kernel calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pynomaly.domain.calibration import CalibrationOptions, calibrator_layout, learn_score, severity
from pynomaly.domain.jit import Row
from pynomaly.domain.layout import Layout
from pynomaly.domain.peaks_over_threshold import (
    dspot_layout,
    dspot_severity,
    learn_drifting,
    learn_peak,
    spot_layout,
    spot_severity,
)


@dataclass(frozen=True, slots=True)
class Calibrator:
    """How a part's scores become severities.

    Parameters
    ----------
    layout
        Memory of one series under given options.
    severity
        ``(state, params, position) -> float``: -log10 of the tail probability of a score, which stands at
        `pynomaly.domain.calibration.position_of`; NaN while unknown.
    learn
        ``(state, params, position, severity)``: learn the score; NaN is not learned.
    has_bins
        Whether `pynomaly.domain.calibration.prefetch_bins` knows where its memory is read.
    """

    layout: Callable[[CalibrationOptions], Layout]
    severity: Callable[[Row, Row, float], float]
    learn: Callable[[Row, Row, float, float], None]
    has_bins: bool = False


CALIBRATORS: Final = {
    "histogram": Calibrator(calibrator_layout, severity, learn_score, has_bins=True),
    "spot": Calibrator(spot_layout, spot_severity, learn_peak),
    "dspot": Calibrator(dspot_layout, dspot_severity, learn_drifting),
}


def layout_of(options: CalibrationOptions) -> Layout:
    """Return the memory of one series of the calibrator that options ask for."""
    return CALIBRATORS[options.method].layout(options)
