"""Compiled reading of event times: the forms that machines write.

`UNSURE` leaves a time to the rules of `pynomaly_connectors.codecs.fields`, refusals included.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pynomaly.domain.jit import compiled
from pynomaly_connectors.codecs.number_scanner import MINUS, NINE, POINT, ZERO, digits_end, digits_value

UNSURE: Final = -(1 << 63)  # below every time that the rules admit
_DOUBLES_ARE_FINER: Final = 1 << 52
_PLUS, _COLON, _T, _Z, _SPACE = 43, 58, 84, 90, 32
_POWER: Final = np.array([10**k for k in range(10)], np.int64)
_LARGEST: Final = (2**63 - 1) // _POWER  # what may be multiplied by it
_DAYS_BEFORE: Final = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365], np.int64)


@compiled
def scaled_time(mantissa: int, decimals: int, digits: int) -> int:
    """Return ``mantissa / 10^decimals`` units of ``10^digits`` ns in nanoseconds.

    Below 2^52 neighbouring doubles lie closer than neighbouring numbers of that many decimals, so that the shortest
    text of the double is the text at hand and its digits can be taken as they are.
    """
    places = digits - decimals
    if places < 0 or (decimals > 0 and abs(mantissa) >= _DOUBLES_ARE_FINER):
        return UNSURE
    if abs(mantissa) > _LARGEST[places]:
        return UNSURE
    return int(mantissa * _POWER[places])


@compiled
def iso_time(data: Any, i: int, stop: int) -> int:
    """Read ``YYYY-MM-DD[T ]HH:MM:SS[.f{1,9}][Z|±HH:MM]`` as UTC epoch nanoseconds."""
    if stop - i < 19 or not _shaped(data, i):
        return UNSURE
    days = _epoch_days(digits_value(data, i, i + 4), _two(data, i + 5), _two(data, i + 8))
    hour, minute, second = _two(data, i + 11), _two(data, i + 14), _two(data, i + 17)
    if days == UNSURE or hour > 23 or minute > 59 or second > 59:
        return UNSURE
    nanoseconds = 0
    i += 19
    if i < stop and data[i] == POINT:
        end = digits_end(data, i + 1, stop)
        places = end - i - 1
        if not 1 <= places <= 9:
            return UNSURE
        nanoseconds = digits_value(data, i + 1, end) * _POWER[9 - places]
        i = end
    east_s = _east_seconds(data, i, stop)
    if east_s == UNSURE:
        return UNSURE
    return (days * 86_400 + hour * 3600 + minute * 60 + second - east_s) * 1_000_000_000 + nanoseconds


@compiled
def _shaped(data: Any, i: int) -> bool:
    marks = data[i + 4] == MINUS and data[i + 7] == MINUS and data[i + 13] == _COLON and data[i + 16] == _COLON
    if not marks or (data[i + 10] != _T and data[i + 10] != _SPACE):
        return False
    dated = digits_end(data, i, i + 4) == i + 4 and _is_two(data, i + 5) and _is_two(data, i + 8)
    return dated and _is_two(data, i + 11) and _is_two(data, i + 14) and _is_two(data, i + 17)


@compiled
def _is_two(data: Any, i: int) -> bool:
    return bool(ZERO <= data[i] <= NINE and ZERO <= data[i + 1] <= NINE)


@compiled
def _two(data: Any, i: int) -> int:
    return digits_value(data, i, i + 2)


@compiled
def _epoch_days(year: int, month: int, day: int) -> int:
    if not (1678 <= year <= 2261 and 1 <= month <= 12 and day >= 1):  # years that nanoseconds hold in full
        return UNSURE
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longer = 1 if leap and month == 2 else 0
    if day > _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + longer:
        return UNSURE
    past = year - 1
    day_of_year = _DAYS_BEFORE[month - 1] + day + (1 if leap and month > 2 else 0)
    return int(past * 365 + past // 4 - past // 100 + past // 400 + day_of_year - 719_163)


@compiled
def _east_seconds(data: Any, i: int, stop: int) -> int:
    if i == stop or (i + 1 == stop and data[i] == _Z):
        return 0
    signed = stop - i == 6 and (data[i] == MINUS or data[i] == _PLUS) and data[i + 3] == _COLON
    if not signed or not _is_two(data, i + 1) or not _is_two(data, i + 4):
        return UNSURE
    hours, minutes = _two(data, i + 1), _two(data, i + 4)
    if hours > 23 or minutes > 59:
        return UNSURE
    seconds = hours * 3600 + minutes * 60
    return -seconds if data[i] == MINUS else seconds
