"""Native detectors by the names that flows use."""

from __future__ import annotations

from typing import Final

from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE
from pynomaly.domain.detectors.seam import Detector

#: Every native detector of this distribution.
NATIVE_DETECTORS: Final[dict[str, Detector]] = {detector.name: detector for detector in (EW_ZSCORE,)}

__all__ = ["NATIVE_DETECTORS", "Detector"]
