"""Compiled reading of JSON numbers.

Only what is certain is read: up to 18 digits, no exponent, no negative zero. Anything else is left to orjson.
"""

from __future__ import annotations

from math import ldexp
from typing import Any, Final

import numpy as np

from pynomaly.domain.jit import compiled

MOST_DIGITS: Final = 18  # more could pass an int64
_EXACT: Final = 1 << 53  # integers up to here are doubles
_LONGEST_EXACT_POWER: Final = 22  # the largest power of ten that is a double
_POWER: Final = np.array([float(10**k) for k in range(_LONGEST_EXACT_POWER + 1)])
_HALF_WORD: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)
_BELOW_ROUNDING: Final = np.uint64(0x1FF)

ZERO, NINE, MINUS, POINT, UPPER_E, LOWER_E = 48, 57, 45, 46, 69, 101


def _inverse_powers() -> tuple[Any, Any]:
    """Return 10^-k as ``f * 2^e`` with the 64-bit ``f`` cut off, not rounded, and its top bit set."""
    mantissa, exponent = [], []
    for k in range(_LONGEST_EXACT_POWER + 1):
        shift = 63 + (10**k - 1).bit_length()
        f = (1 << shift) // 10**k
        surplus = f.bit_length() - 64
        mantissa.append(f >> surplus)
        exponent.append(surplus - shift)
    return np.array(mantissa, np.uint64), np.array(exponent, np.int64)


_INVERSE, _INVERSE_EXPONENT = _inverse_powers()


@compiled
def digits_end(data: Any, i: int, stop: int) -> int:
    """Return the index behind the run of digits at ``i``."""
    while i < stop and ZERO <= data[i] <= NINE:
        i += 1
    return i


@compiled
def digits_value(data: Any, i: int, stop: int) -> int:
    """Return the number that a run of digits spells."""
    value = np.int64(0)
    for j in range(i, stop):
        value = value * 10 + (np.int64(data[j]) - ZERO)
    return int(value)


@compiled
def quotient(mantissa: int, decimals: int) -> float:
    """Return ``mantissa / 10^decimals`` rounded as Python's ``float`` rounds the text, or NaN when unsure.

    ``0 <= mantissa < 10^18``, ``0 <= decimals <= 22``. A double over an exact power of ten is one correctly rounded
    division (Clinger 1990). Longer mantissas multiply by a 64-bit inverse power as in Lemire (2021), "Number parsing
    at a gigabyte per second", section 5; unlike there, the 1 in about 500 that 64 bits cannot decide is given up.
    """
    if mantissa <= _EXACT or decimals == 0:
        return float(mantissa / _POWER[decimals])
    zeros = _leading_zeros(mantissa)
    word = np.uint64(mantissa) << np.uint64(zeros)
    high = _high_word(word, _INVERSE[decimals])
    # The inverse is cut off, so the true product is larger, by less than one of `high`: no tie is ever exact, and only
    # a carry through ones below the rounding bit could change the outcome.
    if high & _BELOW_ROUNDING == _BELOW_ROUNDING:
        return np.nan
    top = np.int64(high >> np.uint64(63))
    bits = np.int64(high >> np.uint64(9 + top))
    return ldexp(np.float64((bits + (bits & 1)) >> 1), 74 + top + _INVERSE_EXPONENT[decimals] - zeros)


@compiled
def _leading_zeros(value: int) -> int:
    zeros = 0
    while value < 1 << 62:
        value <<= 1
        zeros += 1
    return zeros + 1


@compiled
def _high_word(a: Any, b: Any) -> Any:
    """Return the upper half of a 128-bit product."""
    a_high, a_low, b_high, b_low = a >> _HALF_WORD, a & _LOW, b >> _HALF_WORD, b & _LOW
    middle = a_high * b_low + (a_low * b_low >> _HALF_WORD)
    cross = a_low * b_high + (middle & _LOW)
    return a_high * b_high + (middle >> _HALF_WORD) + (cross >> _HALF_WORD)
