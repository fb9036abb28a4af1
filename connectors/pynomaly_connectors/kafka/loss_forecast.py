"""When a reader that falls behind will lose records to the topic's retention, while there is time to do something.

Two things delete the oldest records of a partition: their age, and the size of the log. Each has a limit that unread
records approach, and how fast they do is measured over the last minutes:

1. By age: the next record is at least as old as the last one read. It may be deleted once it is `retention.ms` old.
2. By size: what the log held when its start last moved is what it is sure to hold. A reader further behind than that
   reads records that may be deleted next. Before the first deletion nobody knows how many records the size allows.

There is no forecast before a tenth of a limit is used up: until then a burst looks like a trend. Brokers delete whole
segments, so records live longer than said here, never shorter.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pynomaly.domain.record import Stream
from pynomaly_connectors.kafka.trouble import Clock

_EVERY_S: Final = 5.0
_WINDOW_S: Final = 300.0
_SHORTEST_S: Final = 30.0
_USED_UP: Final = 0.1
_WARN_S: Final = 86_400.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """What makes a topic delete its oldest records.

    Parameters
    ----------
    age_s
        The age at which they go; infinite if none, or if it is not known.
    by_size
        Whether a partition has a largest size.
    """

    age_s: float = math.inf
    by_size: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a reader stands in its partition.

    Parameters
    ----------
    low, high
        The first offset that the log holds, and the one after the last.
    offset
        The next one to read.
    newest_ms
        Timestamp of the last record read [ms since 1970 UTC]; None before the first one, or if it has none.
    """

    low: int
    high: int
    offset: int
    newest_ms: int | None


class LossForecast:
    """Watches one partition; costs nothing but a look at the clock between two samples.

    Parameters
    ----------
    stream
        For the log.
    clock
        Monotonic seconds.
    now
        Seconds since 1970 UTC; a producer's clock that is wrong makes a forecast wrong by as much.
    """

    def __init__(self, stream: Stream, clock: Clock = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self._now = now
        self._due_at = clock() + _EVERY_S
        self._age, self._lag = _Approach(), _Approach()
        self._low = 0
        self._kept = math.inf
        self._told_s = math.inf
        self.lost_in_s = math.inf
        """Time until records will be deleted before they are read, at the present pace [s]; infinite if never."""

    @property
    def is_due(self) -> bool:
        """Whether it is time for `observe`."""
        return self._clock() >= self._due_at

    def observe(self, standing: Standing, retention: Retention) -> None:
        """Take a sample and make the forecast anew; log it when it becomes serious, and when that is over."""
        now_s = self._clock()
        self._due_at = now_s + _EVERY_S
        self._note_deletion(standing)
        lag = standing.high - standing.offset
        if lag <= 0:
            self._age, self._lag = _Approach(), _Approach()
        else:
            self._lag.note(now_s, lag)
            if standing.newest_ms is not None:
                self._age.note(now_s, self._now() - standing.newest_ms / 1e3)
        kept = self._kept if retention.by_size else math.inf
        self.lost_in_s = min(self._age.reaches(retention.age_s), self._lag.reaches(kept))
        self._tell(lag)

    def _note_deletion(self, standing: Standing) -> None:
        if standing.low > self._low:
            self._low = standing.low
            self._kept = standing.high - standing.low

    def _tell(self, lag: int) -> None:
        """Warn once, and again whenever half of the time is gone."""
        facts: dict[str, object] = {"stream": str(self._stream), "lag": lag}
        if self.lost_in_s < min(_WARN_S, self._told_s / 2):
            self._told_s = self.lost_in_s
            _log.warning("kafka_records_will_be_lost", extra={**facts, "lost_in_s": round(self.lost_in_s)})
        elif self.lost_in_s >= 2 * _WARN_S and self._told_s < math.inf:
            self._told_s = math.inf
            _log.info("kafka_records_are_safe_again", extra=facts)


class _Approach:
    """A value of the last minutes, and when it will reach a limit if it goes on like that."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, now_s: float, value: float) -> None:
        self._seen.append((now_s, value))
        while now_s - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()

    def reaches(self, limit: float) -> float:
        """Return the time until then [s], 0 if the limit is behind us; infinite if the value does not grow."""
        if not self._seen:
            return math.inf
        (since_s, before), (now_s, value) = self._seen[0], self._seen[-1]
        span_s, growth = now_s - since_s, value - before
        if span_s < _SHORTEST_S or growth <= 0 or value < _USED_UP * limit:
            return math.inf
        return max(0.0, (limit - value) * span_s / growth)
