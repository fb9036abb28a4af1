"""Compiled reading of Avro records by the steps of a plan.

The scanner accepts a record only when it is certain of what fastavro would make of it. Everything else (null where a
field is wanted, numbers that are not finite, long or bad bytes) is not accepted and left to the portable decoder.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

import numpy as np

from pynomaly.domain.jit import compiled, inlined
from pynomaly_connectors.codecs.avro_steps import (
    ARGUMENT,
    BOOLEAN,
    BYTES,
    DOUBLE,
    FIXED,
    FLOAT,
    KIND,
    OPTION,
    POSITION,
    ROLE,
    SERIES,
    SKIP,
    STRING,
    TIME,
    VALUE,
    VARINT,
)
from pynomaly_connectors.codecs.json_scanner import utf8_width
from pynomaly_connectors.codecs.time_scanner import UNSURE, iso_time

_MOST_KEY_BYTES: Final = 1024
_ASCII_END: Final = 128
_BAR, _BACKSLASH = 124, 92
_MOST_SHIFT: Final = 56  # of a number of up to nine bytes; the tenth is left to fastavro
_LARGEST: Final = 2**63 - 1


@compiled
def scan_avro(
    data: Any,
    start: Any,
    length: Any,
    steps: Any,
    unit_ns: int,
    first_ns: int,
    end_ns: int,
    series: int,
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
        The bodies, as in `RawBatch`.
    steps
        See `AvroPlan`.
    unit_ns
        Nanoseconds in the unit of the time; 0 for text, -1 for records without a time.
    first_ns, end_ns
        Half-open range of plausible times.
    series
        Number of series fields.
    accepted, time_ns, values
        Output ``(n,)``, ``(n,)``, ``(n, d)``; rows that are not accepted hold nothing of meaning.
    key_start, key_length
        Output ``(n,)``: slices of ``data``, with several series fields of ``joined``; untouched without any.
    joined
        Buffer for the keys of several fields; twice the bytes of all bodies is always enough.
    """
    texts = np.zeros((series + 1, 2), np.int64)
    bits = np.zeros(1, np.uint64)
    narrow, wide = bits.view(np.float32), bits.view(np.float64)
    wanted = 0
    for step in range(len(steps)):
        wanted += steps[step, ROLE] > 0
    cursor = 0
    for row in range(len(start)):
        time_ns[row] = UNSURE
        found, end = _record(data, start[row], start[row] + length[row], steps, unit_ns, texts, bits, narrow, wide,
                             time_ns, values, row)  # fmt: skip
        accepted[row] = end == start[row] + length[row] and found == wanted
        if unit_ns < 0:
            time_ns[row] = 0
        accepted[row] &= first_ns <= time_ns[row] < end_ns
        if not accepted[row] or series == 0:
            continue
        if series == 1:
            key_start[row], key_length[row] = texts[0, 0], texts[0, 1] - texts[0, 0]
            accepted[row] = 0 < key_length[row] <= _MOST_KEY_BYTES
        else:
            end = _join(data, texts, series, joined, cursor)
            accepted[row] = end >= 0
            key_start[row], key_length[row] = cursor, end - cursor
            cursor = max(cursor, end)


@inlined
def _record(
    data: Any, i: int, stop: int, steps: Any, unit_ns: int, texts: Any,
    bits: Any, narrow: Any, wide: Any, time_ns: Any, values: Any, row: int,
) -> tuple[int, int]:  # fmt: skip
    """Read one record; return how many wanted fields it has, and the index behind it or -1 when unsure."""
    found, step = 0, 0
    while step < len(steps):
        kind, role, position = steps[step, KIND], steps[step, ROLE], steps[step, POSITION]
        number, begin, i = _read(data, i, stop, kind, steps[step, ARGUMENT])
        if i < 0:
            return 0, -1
        found += role != SKIP
        if kind == OPTION and number == steps[step, ARGUMENT]:
            step += position
        elif role == VALUE:
            values[row, position] = _double(data, begin, kind, number, bits, narrow, wide)
            if not isfinite(values[row, position]):
                return 0, -1
        elif role == SERIES:
            texts[position, 0], texts[position, 1] = begin, i
        elif role == TIME:
            time_ns[row] = _time(data, begin, i, number, unit_ns)
        step += 1
    return found, i


@inlined
def _read(data: Any, i: int, stop: int, kind: int, argument: int) -> tuple[Any, int, int]:
    """Read one value; return it if it is a whole number, where its bytes begin and end, or -1 at last when unsure."""
    number: Any = np.int64(0)
    begin, end = i, -1
    if kind in (DOUBLE, FLOAT, FIXED, BOOLEAN):
        size = argument if kind == FIXED else 8 if kind == DOUBLE else 4 if kind == FLOAT else 1
        if size <= stop - i and (kind != BOOLEAN or data[i] <= 1):
            end = i + size
        return number, begin, end
    number, begin = _varint(data, i, stop)
    if kind in (BYTES, STRING):
        if 0 <= number <= stop - begin and (kind == BYTES or _is_utf8(data, begin, begin + number)):
            end = begin + number
    elif kind == VARINT or 0 <= number < (2 if kind == OPTION else argument):
        end = begin
    return number, begin, end if begin >= 0 else -1


@inlined
def _varint(data: Any, i: int, stop: int) -> tuple[Any, int]:
    """Return a zigzag number and the index behind it; -1 when unsure."""
    number, shift = np.uint64(0), np.uint64(0)
    while i < stop and shift <= _MOST_SHIFT:
        octet = np.uint64(data[i])
        i += 1
        number |= (octet & np.uint64(0x7F)) << shift
        if octet < np.uint64(0x80):
            return np.int64(number >> np.uint64(1)) ^ -np.int64(number & np.uint64(1)), i
        shift += np.uint64(7)
    return np.int64(0), -1


@inlined
def _is_utf8(data: Any, i: int, stop: int) -> bool:
    while i < stop:
        width = 1 if data[i] < _ASCII_END else utf8_width(data, i, stop)
        if width == 0:
            return False
        i += width
    return True


@inlined
def _double(data: Any, i: int, kind: int, number: int, bits: Any, narrow: Any, wide: Any) -> float:
    """Return a number of four or eight bytes, the lowest first, or a whole one."""
    if kind == VARINT:
        return np.float64(number)
    bits[0] = 0
    for place in range(8 if kind == DOUBLE else 4):
        bits[0] |= np.uint64(data[i + place]) << np.uint64(8 * place)
    return wide[0] if kind == DOUBLE else np.float64(narrow[0])


@inlined
def _time(data: Any, begin: int, end: int, number: int, unit_ns: int) -> int:
    if unit_ns == 0:
        return iso_time(data, begin, end)
    if unit_ns < 0 or abs(number) > _LARGEST // unit_ns:
        return UNSURE
    return number * unit_ns


@compiled
def _join(data: Any, texts: Any, series: int, joined: Any, cursor: int) -> int:
    """Append the key of several fields and return the index behind it; -1 when it is no key."""
    begin = cursor
    for position in range(series):
        if texts[position, 0] == texts[position, 1] or cursor - begin > _MOST_KEY_BYTES:
            return -1
        if position > 0:
            joined[cursor] = _BAR
            cursor += 1
        for i in range(texts[position, 0], texts[position, 1]):
            if data[i] in (_BAR, _BACKSLASH):
                joined[cursor] = _BACKSLASH
                cursor += 1
            joined[cursor] = data[i]
            cursor += 1
    return cursor if cursor - begin <= _MOST_KEY_BYTES else -1
