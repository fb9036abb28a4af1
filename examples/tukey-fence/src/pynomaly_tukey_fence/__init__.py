"""A detector for pynomaly: distance from the median in heights of Tukey's box plot."""

from __future__ import annotations

from pynomaly_tukey_fence.detector import TUKEY_FENCE, TukeyFenceOptions

__all__ = ["TUKEY_FENCE", "TukeyFenceOptions"]
