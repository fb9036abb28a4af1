"""The series of one stream: which are known, which are let in, and which must go."""

from __future__ import annotations

from pynomaly.domain.series.admission import Admission, Eviction
from pynomaly.domain.series.index import INDEX_BYTES, Admitted, SeriesIndex, SweepReport
from pynomaly.domain.series.keys import SeriesKeys

__all__ = ["INDEX_BYTES", "Admission", "Admitted", "Eviction", "SeriesIndex", "SeriesKeys", "SweepReport"]
