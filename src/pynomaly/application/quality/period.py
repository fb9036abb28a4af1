"""The length of a series' pattern, by which label ramps are sized: TSB-AD's rule.

Liu and Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark" (NeurIPS
2024) size the ramps of `pynomaly.application.quality.volume` by the lag of the highest peak of the autocorrelation of
the first 20,000 values among lags 3 to 400. Of several fields the first one counts. The program of that benchmark
(``utils/slidingWindows.py``) takes 125 where there is no peak, or where the peak lies at a lag below 6 or above 303.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_VALUES: Final = 20_000
_SHORTEST_LAG: Final = 3
_LONGEST_LAG: Final = 400
_FIRST_PEAK: Final = 6
_LAST_PEAK: Final = 303
_WITHOUT_PEAK: Final = 125


def pattern_length(values: NDArray[np.float64]) -> int:
    """Return the lag of the highest peak of the autocorrelation, or 125 where there is none to speak of [rows].

    Parameters
    ----------
    values
        ``(n,)`` finite.
    """
    correlation = _autocorrelation(values[:_VALUES])[_SHORTEST_LAG:]
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:])) + 1
    if len(peaks) == 0:
        return _WITHOUT_PEAK
    lag = int(peaks[np.argmax(correlation[peaks])]) + _SHORTEST_LAG
    return lag if _FIRST_PEAK <= lag <= _LAST_PEAK else _WITHOUT_PEAK


def _autocorrelation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation at lags 0 to 400, with one variance for all lags; all 0 for a constant series."""
    centred = values - values.mean() if len(values) else values
    if not np.any(np.abs(centred) > 0):
        return np.zeros(min(len(values), _LONGEST_LAG + 1))
    spectrum = np.fft.rfft(centred / np.abs(centred).max(), 2 * len(values))
    products = np.fft.irfft(np.abs(spectrum) ** 2)[: min(len(values), _LONGEST_LAG + 1)]
    return np.asarray(products / products[0])
