"""Detectors of other libraries behind the second seam: River record by record, PyOD with scheduled refits."""

from __future__ import annotations

from pynomaly.infrastructure.adapted.pyod_part import PyodPart, pyod_part
from pynomaly.infrastructure.adapted.river_part import RiverPart, river_part

__all__ = ["PyodPart", "RiverPart", "pyod_part", "river_part"]
