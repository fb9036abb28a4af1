"""How severities add up, how long they must last, and when the sum alerts: options of `pynomaly.domain.decision`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from pynomaly.domain.error import Problem
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class CombinationOptions(Options):
    """How severities add up to evidence."""

    soft_threshold: float = option(1.0, "severity that counts as ordinary noise", low=0.0, high=10.0)
    cap: float = option(5.0, "most that one part can contribute", low=0.1, high=100.0)


@dataclass(frozen=True)
class PersistenceOptions(Options):
    """How many of a series' last records must reach a level's threshold."""

    hits: int = option(1, "records that must reach the threshold", low=1, high=64)
    of: int = option(1, "among the last records of the series", low=1, high=64)

    def _conflicts(self) -> Iterator[Problem]:
        if self.of < self.hits:
            yield Problem("of", f"must be at least `hits`, was {self.of}")


@dataclass(frozen=True)
class AlertPolicyOptions(Options):
    """Bars of the alert levels, higher from level to level; a level without a threshold does not exist."""

    watch: float | None = option(2.3, "evidence of a watch alert", low=0.0, high=1e6)
    warning: float | None = option(4.0, "evidence of a warning alert", low=0.0, high=1e6)
    critical: float | None = option(6.0, "evidence of a critical alert", low=0.0, high=1e6)
    bump: float = option(8.0, "added to the bar right after an alert", low=0.0, high=1e6)
    bump_half_life: float = option(40.0, "records after which the bump has halved", low=0.1, high=1e9)
    habituation: float = option(0.25, "added to the bar for each e-fold of past alerts", low=0.0, high=1e3)
    habituation_half_life: float = option(10_000.0, "records after which a past alert counts half", low=1.0, high=1e9)
    habituation_from: int = option(300, "records of a series before its alerts count", low=0, high=1_000_000_000)
    sampling_slope: float = option(
        0.0, "added to every bar of a series for each tenfold of records beyond one in 5 minutes", low=0.0, high=100.0
    )

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """Evidence of watch, warning and critical; infinite for a level that does not exist."""
        given = (self.watch, self.warning, self.critical)
        watch, warning, critical = (inf if threshold is None else threshold for threshold in given)
        return watch, warning, critical

    def _conflicts(self) -> Iterator[Problem]:
        names = [name for name in ("watch", "warning", "critical") if getattr(self, name) is not None]
        if not names:
            yield Problem(
                "watch", "must be a number where warning and critical are none, was None: nothing would alert"
            )
        for lower, name in pairwise(names):
            bar, below = getattr(self, name), getattr(self, lower)
            if bar <= below:
                yield Problem(name, f"must be greater than {lower} {below:g}, was {bar:g}")
