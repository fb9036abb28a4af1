"""Times written as text.

The grammar is the part of ISO 8601 that RFC 3339 profiles, and what databases print of it::

    YYYY-MM-DD [ (T | t | space) HH:MM [ :SS [ .fraction ] ] [ Z | z | ±HH | ±HHMM | ±HH:MM ] ]

No offset means UTC. Digits of the fraction behind the ninth are cut off. Hours end at 23 and seconds at 59: a leap
second has no place in epoch time and is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

_GRAMMAR: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
    r"(?:[Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
_SECOND_NS: Final = 1_000_000_000
_STAMP_CHARACTERS: Final = len("YYYY-MM-DDTHH:MM:SS")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def iso_time_ns(text: str) -> int | None:
    """Return UTC epoch nanoseconds, or None when ``text`` is not a time of the grammar; costs about 1 us."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        return None
    day, hour, minute, second, fraction, sign, offset_hour, offset_minute = match.groups()
    days = _epoch_days(day)
    if days is None:
        return None
    if hour is None:
        return days * 86_400_000_000_000
    h, m, s = int(hour), int(minute), int(second or 0)
    offset_h, offset_m = int(offset_hour or 0), int(offset_minute or 0)
    if h > 23 or m > 59 or s > 59 or offset_h > 23 or offset_m > 59:
        return None
    east_s = (offset_h * 60 + offset_m) * (-60 if sign == "-" else 60)
    nanoseconds = int(fraction[:9].ljust(9, "0")) if fraction else 0
    return (days * 86_400 + h * 3600 + m * 60 + s - east_s) * 1_000_000_000 + nanoseconds


def rfc3339(time_ns: int) -> str:
    """Return a moment in UTC with as many digits (0, 3, 6 or 9) as it needs.

    Examples
    --------
    >>> rfc3339(1_648_090_800_000_000_000)
    '2022-03-24T03:00:00Z'
    >>> rfc3339(1_648_090_800_250_000_000)
    '2022-03-24T03:00:00.250Z'
    """
    second, fraction = divmod(time_ns, _SECOND_NS)
    stamp = datetime.fromtimestamp(second, UTC).isoformat()[:_STAMP_CHARACTERS]
    if fraction == 0:
        return f"{stamp}Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{stamp}.{digits}Z"


@lru_cache(maxsize=64)  # neighbouring records share their date
def _epoch_days(day: str) -> int | None:
    try:
        return date.fromisoformat(day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
