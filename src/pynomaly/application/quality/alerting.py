"""What a person on call notices: which windows alerts find, how soon, and how many alerts mean nothing.

No row is left out: a window in the rows from which detectors still learn counts as missed, an alert there as false.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.range_score import RangeTally, range_tally
from pynomaly.application.quality.segment import Flags, Window, covered, runs

_DAY_NS: Final = 86_400_000_000_000
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Delay:
    """How long after the begin of a window its first alert came, over the windows that were found; NaN without any.

    A window drawn around an event begins before it, so the delay is that of the label and not of the event.
    """

    median: float
    p90: float

    @classmethod
    def of(cls, delays: Sequence[float]) -> Delay:
        """Summarise delays, each at least 0."""
        if not delays:
            return cls(nan, nan)
        median, p90 = np.percentile(delays, (50, 90)).tolist()
        return cls(median, p90)


@dataclass(frozen=True, slots=True)
class AlertTally:
    """What the alerts of one series, or of many, come to.

    Parameters
    ----------
    ranges
        Labelled windows against runs of consecutive alerts.
    records
        Records judged.
    alerts, false_alerts
        Rows that alerted, and those of them outside all windows.
    delays
        From the first row of each window that was found to its first alert [records].
    delays_in_s
        The same in event time; empty without a clock [s].
    series_days
        Time from the first to the last record, summed over series; NaN without a clock [d].
    """

    ranges: RangeTally = field(default_factory=RangeTally)
    records: int = 0
    alerts: int = 0
    false_alerts: int = 0
    delays: tuple[float, ...] = ()
    delays_in_s: tuple[float, ...] = ()
    series_days: float = 0.0

    def __add__(self, other: AlertTally) -> AlertTally:
        """Return what both come to."""
        return AlertTally(
            self.ranges + other.ranges,
            self.records + other.records,
            self.alerts + other.alerts,
            self.false_alerts + other.false_alerts,
            self.delays + other.delays,
            self.delays_in_s + other.delays_in_s,
            self.series_days + other.series_days,
        )

    @property
    def found(self) -> int:
        """Windows with at least one alert."""
        return len(self.delays)

    @property
    def delay(self) -> Delay:
        """Summary of `delays` [records]."""
        return Delay.of(self.delays)

    @property
    def delay_s(self) -> Delay:
        """Summary of `delays_in_s` [s]."""
        return Delay.of(self.delays_in_s)

    @property
    def false_alerts_per_day(self) -> float:
        """False alerts for each series and day; NaN without a clock or where no time passes."""
        return self.false_alerts / self.series_days if self.series_days > 0 else nan

    @property
    def false_alerts_per_10k(self) -> float:
        """False alerts for each 10,000 records; NaN without records."""
        return 1e4 * self.false_alerts / self.records if self.records else nan


def alert_tally(alerted: Flags, windows: Sequence[Window], time_ns: NDArray[np.int64] | None) -> AlertTally:
    """Compare the alerts of one series with its labels.

    Parameters
    ----------
    alerted
        ``(n,)`` whether each row alerted.
    windows
        In order and apart from each other.
    time_ns
        ``(n,)`` event time; None without a clock [ns].
    """
    rows = np.flatnonzero(alerted)
    hits = [(first, _first_within(rows, first, last)) for first, last in windows]
    found = [(first, hit) for first, hit in hits if hit is not None]
    delays_s: list[float] = []
    if time_ns is not None:
        delays_s = [float(time_ns[hit] - time_ns[first]) / _SECOND_NS for first, hit in found]
    return AlertTally(
        ranges=range_tally(windows, runs(alerted)),
        records=len(alerted),
        alerts=len(rows),
        false_alerts=int(np.count_nonzero(alerted & ~covered(windows, len(alerted)))),
        delays=tuple(float(hit - first) for first, hit in found),
        delays_in_s=tuple(delays_s),
        series_days=nan if time_ns is None else _days(time_ns),
    )


def _first_within(rows: NDArray[np.int64], first: int, last: int) -> int | None:
    place = int(np.searchsorted(rows, first))
    return int(rows[place]) if place < len(rows) and rows[place] <= last else None


def _days(time_ns: NDArray[np.int64]) -> float:
    return float(time_ns.max() - time_ns.min()) / _DAY_NS if len(time_ns) else 0.0
