"""Event-time windows on a watermark per stream."""

from __future__ import annotations

from pynomaly.domain.windows.plan import AGGREGATES, Aggregate, WindowPlan
from pynomaly.domain.windows.stream import Absorbed, ClosedWindows, Windows

__all__ = ["AGGREGATES", "Absorbed", "Aggregate", "ClosedWindows", "WindowPlan", "Windows"]
