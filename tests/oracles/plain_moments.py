"""Mean, standard deviation and root mean square of values with the weights written out."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np


class PlainMoments:
    """Values as far as they were learned, each with its exponential weight.

    Parameters
    ----------
    half_life
        Values after which one counts half.
    clip
        Standard deviations up to which a deviation from the mean is learned, from the sixth value on.
    """

    def __init__(self, half_life: float, clip: float = inf) -> None:
        self.count = 0
        self.rate = 1 - 0.5 ** (1 / half_life)
        self._clip = clip
        self._learned: list[float] = []
        self._weight = np.zeros(0)

    @property
    def mean(self) -> float:
        """Weighted mean, taken from the newest value so that large levels do not cost digits."""
        if not self._learned:
            return 0.0
        newest = self._learned[-1]
        return newest + float(self._weight @ (np.array(self._learned) - newest))

    @property
    def newest(self) -> float:
        """The last value, as far as it was learned."""
        return self._learned[-1]

    @property
    def sd(self) -> float:
        """Weighted standard deviation."""
        return sqrt(float(self._weight @ (np.array(self._learned) - self.mean) ** 2)) if self._learned else 0.0

    @property
    def rms(self) -> float:
        """Weighted root mean square."""
        return sqrt(float(self._weight @ np.array(self._learned) ** 2)) if self._learned else 0.0

    def sds(self, distance: float, level: float | None = None) -> float:
        """Return a distance in standard deviations; of a series that never moved 0 or 10."""
        return in_scales(distance, self.sd, self.mean if level is None else level)

    def learn(self, x: float, known: int | None = None) -> None:
        """Learn a value, or the nearest within the clip once five are known; ``known`` where the count was changed."""
        mean, sd = self.mean, self.sd
        if (self.count if known is None else known) >= 5 and sd > 1e-12 * abs(mean):
            x = min(max(x, mean - self._clip * sd), mean + self._clip * sd)
        self.count += 1
        share = max(self.rate, 1 / self.count)
        self._learned.append(x)
        self._weight = np.append(self._weight * (1 - share), share)


def in_scales(distance: float, scale: float, level: float) -> float:
    """Return a distance as a multiple of a scale; where the scale is mere rounding 0 or 10."""
    rounding = 1e-12 * abs(level)
    if scale > rounding:
        return min(distance / scale, 1e12)
    return 10.0 if distance > rounding else 0.0


def clipped_error(error: float, errors: PlainMoments, level: float, clip: float) -> float:
    """Return an error within so many root mean squares of those before, from the sixth on."""
    scale = errors.rms
    if errors.count < 5 or scale <= 1e-12 * abs(level):
        return error
    return min(max(error, -clip * scale), clip * scale)
