"""What a detector is written with, for distributions that add one: `docs/writing-detectors.md` tells how.

`Detector` is the native kind: a row of state and two or three functions compiled into a flow's loop. `AdaptedDetector`
is the other: an object that scores batches in Python. `pynomaly.testing` holds the contract that both are tested by.
These names are the seam whose version is part of the entry-point group; everything else may change with any release.
"""

from __future__ import annotations

from pynomaly.domain.adapted import AcceptedRows, AdaptedDetector, AdaptedPart, AdaptedPartFactory, PartContext
from pynomaly.domain.detectors.magnitude import bounded, deviations
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.error import ConfigError, Problem, StateError
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option
from pynomaly.domain.state import StateImage

__all__ = [
    "AcceptedRows",
    "AdaptedDetector",
    "AdaptedPart",
    "AdaptedPartFactory",
    "ConfigError",
    "Detector",
    "Layout",
    "Options",
    "PartContext",
    "Problem",
    "Row",
    "StateError",
    "StateImage",
    "bounded",
    "compiled",
    "deviations",
    "option",
    "rate",
    "row",
    "zeros",
]
