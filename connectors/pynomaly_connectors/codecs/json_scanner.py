"""Compiled scanning of flat JSON objects.

The scanner accepts a record only when it is certain of what orjson would make of it. Everything else (escapes,
nesting, exponents, long numbers, repeated or missing fields, odd times, any syntax error) is not accepted and left to
the portable decoder. So it never refuses a record, and the two decoders could differ only in what is accepted here.
"""

from __future__ import annotations

from math import isnan
from typing import Any, Final

import numpy as np

from pynomaly.domain.jit import compiled, inlined
from pynomaly_connectors.codecs.number_scanner import (
    LOWER_E,
    MINUS,
    MOST_DIGITS,
    NINE,
    POINT,
    UPPER_E,
    ZERO,
    quotient,
)
from pynomaly_connectors.codecs.time_scanner import UNSURE, iso_time, scaled_time

_MOST_KEY_BYTES: Final = 1024
_QUOTE, _BACKSLASH, _COMMA, _COLON, _OPEN, _CLOSE, _BAR = 34, 92, 44, 58, 123, 125, 124
_SPACE, _TAB, _NEWLINE, _RETURN = 32, 9, 10, 13
_ASCII_END: Final = 128
_NAMES: Final = (b"true", b"false", b"null")
_TRUE, _FALSE, _NULL = (np.frombuffer(name, np.uint8) for name in _NAMES)

# What is known of a declared field of the record at hand: one row of `seen`.
KIND, START, STOP, MANTISSA, DECIMALS, COLUMNS = 0, 1, 2, 3, 4, 5
_ABSENT, _TEXT, _INTEGER, _DECIMAL = 0, 1, 2, 3
ISO: Final = -1  # `time_digits` of times written as text
NO_TIME: Final = -2  # `time_digits` of records that have none


@compiled
def scan(
    data: Any,
    start: Any,
    length: Any,
    max_bytes: int,
    names: Any,
    name_start: Any,
    time_field: int,
    time_digits: int,
    first_ns: int,
    end_ns: int,
    series_fields: Any,
    value_fields: Any,
    accepted: Any,
    time_ns: Any,
    key_start: Any,
    key_length: Any,
    joined: Any,
    values: Any,
) -> None:
    """Decode what is certain, record by record.

    Parameters
    ----------
    data, start, length
        The payloads, as in `RawBatch`.
    max_bytes
        Longer payloads are not accepted.
    names, name_start
        ``K`` distinct names without quotes, escapes and control characters: name ``k`` is
        ``names[name_start[k] : name_start[k + 1]]``.
    time_field, series_fields, value_fields
        Which of the ``K`` names they are.
    time_digits
        Decimal places from the unit to nanoseconds, `ISO` or `NO_TIME`.
    first_ns, end_ns
        Half-open range of plausible times.
    accepted, time_ns, values
        Output ``(n,)``, ``(n,)``, ``(n, d)``; rows that are not accepted hold nothing of meaning.
    key_start, key_length
        Output ``(n,)``: slices of ``data``, with several series fields of ``joined``; untouched without any.
    joined
        Buffer for the keys of several fields; records whose key finds no room are not accepted.
    """
    seen = np.zeros((len(name_start), COLUMNS), np.int64)  # the last row takes fields without a name
    cursor = 0
    for row in range(len(start)):
        accepted[row] = False
        begin = start[row]
        if length[row] < 2 or length[row] > max_bytes:
            continue
        if not _object(data, begin, begin + length[row], names, name_start, seen):
            continue
        time = _time(data, seen, time_field, time_digits)
        if time == UNSURE or time < first_ns or time >= end_ns:
            continue
        if len(series_fields) == 1:
            only = series_fields[0]
            if not _is_key(seen, only):
                continue
            key_start[row] = seen[only, START]
            key_length[row] = seen[only, STOP] - seen[only, START]
        elif len(series_fields) > 1:
            end = _join(data, seen, series_fields, joined, cursor)
            if end < 0:
                continue
            key_start[row] = cursor
            key_length[row] = end - cursor
            cursor = end
        if not _numbers(seen, value_fields, values, row):
            continue
        time_ns[row] = time
        accepted[row] = True


@inlined
def _object(data: Any, i: int, stop: int, names: Any, name_start: Any, seen: Any) -> bool:
    """Read one object into ``seen``; false unless all of it is certain."""
    fields = len(name_start) - 1
    for field in range(fields):
        seen[field, KIND] = _ABSENT
    i = _space_end(data, i, stop)
    if i >= stop or data[i] != _OPEN:
        return False
    field = -1
    while True:
        name = _space_end(data, i + 1, stop) + 1
        i = _name_end(data, name, stop)
        if i < 0:
            return False
        field = _field(data, name, i, names, name_start, field + 1)
        i = _value_start(data, i + 1, stop)
        if i < 0:
            return False
        i = _value(data, i, stop, seen, field) if field >= 0 else _other_value(data, i, stop, seen, fields)
        if i < 0:
            return False
        i = _space_end(data, i, stop)
        if i >= stop or data[i] != _COMMA:
            break
    return i < stop and data[i] == _CLOSE and _space_end(data, i + 1, stop) == stop


@inlined
def _space_end(data: Any, i: int, stop: int) -> int:
    while i < stop and data[i] <= _SPACE and data[i] in (_SPACE, _TAB, _NEWLINE, _RETURN):
        i += 1
    return i


@inlined
def _string_end(data: Any, i: int, stop: int) -> int:
    """Return the index of the closing quote; -1 for escapes, control characters and bad UTF-8."""
    while i < stop:
        byte = data[i]
        if _QUOTE < byte < _ASCII_END and byte != _BACKSLASH:
            i += 1
        elif byte == _QUOTE:
            return i
        elif byte >= _ASCII_END:
            width = utf8_width(data, i, stop)
            if width == 0:
                return -1
            i += width
        elif byte == _BACKSLASH or byte < _SPACE:
            return -1
        else:
            i += 1
    return -1


@compiled
def utf8_width(data: Any, i: int, stop: int) -> int:
    """Return the length of a well-formed sequence of two to four bytes, else 0 (Unicode 15, table 3-7)."""
    first = data[i]
    if 0xC2 <= first <= 0xDF:
        width, low, high = 2, 0x80, 0xBF
    elif 0xE0 <= first <= 0xEF:
        width, low, high = 3, 0xA0 if first == 0xE0 else 0x80, 0x9F if first == 0xED else 0xBF
    elif 0xF0 <= first <= 0xF4:
        width, low, high = 4, 0x90 if first == 0xF0 else 0x80, 0x8F if first == 0xF4 else 0xBF
    else:
        return 0
    if i + width > stop or not low <= data[i + 1] <= high:
        return 0
    for j in range(i + 2, i + width):
        if not 0x80 <= data[j] <= 0xBF:
            return 0
    return width


@inlined
def _name_end(data: Any, i: int, stop: int) -> int:
    """Return the index of the closing quote of the name whose first byte is at ``i``; -1 when unsure."""
    if i >= stop or data[i - 1] != _QUOTE:
        return -1
    return _string_end(data, i, stop)


@inlined
def _value_start(data: Any, i: int, stop: int) -> int:
    """Return where the value behind a name begins, or -1."""
    i = _space_end(data, i, stop)
    if i >= stop or data[i] != _COLON:
        return -1
    return _space_end(data, i + 1, stop)


@inlined
def _field(data: Any, begin: int, end: int, names: Any, name_start: Any, guess: int) -> int:
    """Return which declared name stands here, or -1; fields mostly come in one order, so ``guess`` goes first."""
    fields = len(name_start) - 1
    for step in range(fields):
        field = guess + step if guess + step < fields else guess + step - fields
        length = name_start[field + 1] - name_start[field]
        if length == end - begin and _same(data, begin, names, name_start[field], length):
            return field
    return -1


@inlined
def _same(data: Any, i: int, other: Any, k: int, length: int) -> bool:
    for j in range(length):  # noqa: SIM110 - a loop compiles to a loop, `all` to a generator
        if data[i + j] != other[k + j]:
            return False
    return True


@inlined
def _value(data: Any, i: int, stop: int, seen: Any, field: int) -> int:
    """Read the value of a declared field and return the index behind it; -1 when unsure."""
    if i >= stop or seen[field, KIND] != _ABSENT:  # of equal names the last would win
        return -1
    if data[i] != _QUOTE:
        return _number(data, i, stop, seen, field)
    end = _string_end(data, i + 1, stop)
    if end < 0:
        return -1
    seen[field, KIND] = _TEXT
    seen[field, START] = i + 1
    seen[field, STOP] = end
    return end + 1


@inlined
def _number(data: Any, i: int, stop: int, seen: Any, field: int) -> int:
    begin = i
    negative = data[i] == MINUS
    if negative:
        i += 1
    leading_zero = i < stop and data[i] == ZERO
    mantissa = np.int64(0)
    first = i
    while i < stop and ZERO <= data[i] <= NINE:
        mantissa = mantissa * 10 + (np.int64(data[i]) - ZERO)  # may wrap; then there are too many digits
        i += 1
    digits = i - first - (1 if leading_zero else 0)
    if i == first or (leading_zero and digits > 0):
        return -1
    decimals = 0
    if i < stop and data[i] == POINT:
        first = i + 1
        i = first
        while i < stop and ZERO <= data[i] <= NINE:
            mantissa = mantissa * 10 + (np.int64(data[i]) - ZERO)
            i += 1
        decimals = i - first
        if decimals == 0:
            return -1
    if digits + decimals > MOST_DIGITS or (negative and mantissa == 0):
        return -1
    if i < stop and (data[i] == UPPER_E or data[i] == LOWER_E):
        return -1
    seen[field, KIND] = _DECIMAL if decimals > 0 else _INTEGER
    seen[field, START] = begin
    seen[field, STOP] = i
    seen[field, MANTISSA] = -mantissa if negative else mantissa
    seen[field, DECIMALS] = decimals
    return i


@compiled
def _other_value(data: Any, i: int, stop: int, seen: Any, field: int) -> int:
    """Skip the value of a field that the flow does not name; -1 when unsure."""
    if i >= stop:
        return -1
    if data[i] == _QUOTE:
        end = _string_end(data, i + 1, stop)
        return end + 1 if end >= 0 else -1
    for word in (_TRUE, _FALSE, _NULL):
        if data[i] == word[0]:
            end = i + len(word)
            return end if end <= stop and _same(data, i, word, 0, len(word)) else -1
    return _number(data, i, stop, seen, field)


@inlined
def _time(data: Any, seen: Any, field: int, digits: int) -> int:
    if digits == NO_TIME:
        return 0
    kind = seen[field, KIND]
    if digits == ISO:
        return iso_time(data, seen[field, START], seen[field, STOP]) if kind == _TEXT else UNSURE
    if kind in (_INTEGER, _DECIMAL):
        return scaled_time(seen[field, MANTISSA], seen[field, DECIMALS], digits)
    return UNSURE


@inlined
def _is_key(seen: Any, field: int) -> bool:
    kind = seen[field, KIND]
    return kind in (_TEXT, _INTEGER) and bool(0 < seen[field, STOP] - seen[field, START] <= _MOST_KEY_BYTES)


@compiled
def _join(data: Any, seen: Any, series_fields: Any, joined: Any, cursor: int) -> int:
    """Append the key of several fields and return the index behind it; -1 when it is no key or finds no room."""
    begin = cursor
    for position in range(len(series_fields)):
        field = series_fields[position]
        first, last = seen[field, START], seen[field, STOP]
        if not _is_key(seen, field) or cursor + 1 + 2 * (last - first) > len(joined):
            return -1
        if position > 0:
            joined[cursor] = _BAR
            cursor += 1
        for i in range(first, last):
            if data[i] == _BAR:  # a backslash cannot stand here: it begins an escape
                joined[cursor] = _BACKSLASH
                cursor += 1
            joined[cursor] = data[i]
            cursor += 1
    return cursor if cursor - begin <= _MOST_KEY_BYTES else -1


@inlined
def _numbers(seen: Any, value_fields: Any, values: Any, row: int) -> bool:
    for position in range(len(value_fields)):
        field = value_fields[position]
        if seen[field, KIND] != _INTEGER and seen[field, KIND] != _DECIMAL:
            return False
        mantissa = seen[field, MANTISSA]
        number = quotient(abs(mantissa), seen[field, DECIMALS])
        if isnan(number):
            return False
        values[row, position] = -number if mantissa < 0 else number
    return True
