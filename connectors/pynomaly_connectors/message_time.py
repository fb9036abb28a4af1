"""Timestamps of messages: whole milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def timestamp_ms(moment: datetime) -> int:
    """Return the first timestamp [ms] that is not before a moment; 0 for moments before 1970.

    Examples
    --------
    >>> timestamp_ms(datetime(1970, 1, 1, 0, 0, 1, 1, UTC))
    1001
    """
    return max(0, -((_EPOCH - moment) // _MILLISECOND))
