"""The rules that every decoder applies to the fields of a record, so that all formats mean the same.

A record is judged in this order, and its reason is the first that applies:

=======  =======================  =================================================================
part     reason                   when
=======  =======================  =================================================================
payload  ``NO_PAYLOAD``           there is none (a tombstone)
payload  ``TOO_LARGE``            it has more than ``max_bytes`` bytes
payload  ``MALFORMED``            it cannot be parsed, or has not the shape of a record
time     ``MISSING_FIELD``        the field is missing, null or (CSV) an empty cell
time     ``BAD_TIME``             it cannot be read in the flow's time format
time     ``TIME_OUT_OF_RANGE``    it lies outside ``[earliest, latest)``, or outside 1677 to 2262
series   ``MISSING_FIELD``        a field is missing, null or (CSV) an empty cell
series   ``BAD_SERIES``           a field is not a string or an integer, or is empty; or the whole
                                  key is longer than 1024 bytes; or the message key is missing,
                                  empty or not UTF-8
values   ``MISSING_FIELD``        the field is missing, null or (CSV) an empty cell
values   ``NOT_A_NUMBER``         it is no number (booleans and, in JSON, text are none)
values   ``NOT_FINITE``           it is NaN, infinite or too large for a double
=======  =======================  =================================================================

Within series and values the fields are judged one after another, in the order of the flow. A field that stands in a
header of the message is text, read as a cell of CSV is; one whose header is not there or empty is missing, and so is
the time where a message has no timestamp.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from math import isfinite
from typing import Final, assert_never

from pynomaly.application.spec.record import NoTime, RecordSpec, TimeFormat, TimeSpec
from pynomaly.domain.outcome import Reason
from pynomaly_connectors.codecs.iso8601 import iso_time_ns
from pynomaly_connectors.codecs.rows import RefusedError

MAX_KEY_BYTES: Final = 1024

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_EVEN)
_BEYOND: Final = 1 << 63  # the first number of nanoseconds that no column holds
_FAR: Final = 1 << 1000  # an integer below this is a finite double
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)


def digits_to_ns(time_format: TimeFormat) -> int | None:
    """Return how many decimal places lie between a numeric format's unit and nanoseconds; None for text."""
    match time_format:
        case "iso8601":
            return None
        case "s":
            return 9
        case "ms":
            return 6
        case "us":
            return 3
        case "ns":
            return 0
        case _:
            assert_never(time_format)


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How the event time is read.

    A number with a fraction is taken as its shortest decimal text (what Python's ``repr`` prints), multiplied
    exactly and rounded half to even: 1700000000.123 s is ...123000000 ns, not the ...122999907 of its double.

    Parameters
    ----------
    digits
        Decimal places from the unit to nanoseconds; None when times are ISO 8601 text.
    first_ns, end_ns
        Half-open range of plausible times.
    exists
        Whether records have a time; without one all are at 0, whatever the field holds.
    """

    digits: int | None
    first_ns: int
    end_ns: int
    exists: bool = True

    @classmethod
    def of(cls, spec: TimeSpec) -> TimeRule:
        """Return the rule that a flow asks for."""
        exists = not isinstance(spec, NoTime)
        return cls(digits_to_ns(spec.format), _epoch_ns(spec.earliest), _epoch_ns(spec.latest), exists)

    def from_value(self, value: object) -> int:
        """Read a parsed value [ns]."""
        if not self.exists:
            return 0
        if value is None:
            raise RefusedError(Reason.MISSING_FIELD)
        if self.digits is None:
            return self.within(iso_time_ns(value) if isinstance(value, str) else None)
        if type(value) is int:
            return self.within(value * 10**self.digits)
        readable = type(value) is float and isfinite(value)
        return self.within(_to_ns(Decimal(repr(value)), self.digits) if readable else None)

    def from_timestamp(self, time_ms: int) -> int:
        """Take the timestamp of a message [ms], negative where it has none [ns]."""
        if time_ms < 0:
            raise RefusedError(Reason.MISSING_FIELD)
        return self.within(time_ms * 1_000_000)

    def from_text(self, text: str) -> int:
        """Read a cell of a text format [ns]; numbers are exact to their last digit."""
        if not self.exists:
            return 0
        if not text:
            raise RefusedError(Reason.MISSING_FIELD)
        if self.digits is None:
            return self.within(iso_time_ns(text))
        if text.isascii() and text.isdigit() and len(text) < 20:
            return self.within(int(text) * 10**self.digits)
        return self.within(_to_ns(Decimal(text), self.digits) if _NUMBER.fullmatch(text) else None)

    def from_texts(self, texts: Sequence[str]) -> list[int]:
        """Read cells of a text format, all of which must be good [ns]."""
        digits = "".join(texts)
        whole = digits.isascii() and digits.isdigit() and 0 < min(map(len, texts)) <= max(map(len, texts)) < 20
        if not whole or self.digits is None or not self.exists:
            return list(map(self.from_text, texts))
        scale = 10**self.digits
        times_ns = [int(text) * scale for text in texts]
        self.within(min(times_ns))
        self.within(max(times_ns))
        return times_ns

    def within(self, time_ns: int | None) -> int:
        """Return a plausible time as it is; refuse the others, and None as unreadable."""
        if time_ns is None:
            raise RefusedError(Reason.BAD_TIME)
        if not self.first_ns <= time_ns < self.end_ns:
            raise RefusedError(Reason.TIME_OUT_OF_RANGE)
        return time_ns


def _epoch_ns(moment: datetime) -> int:
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    return min(max(microseconds * 1000, 1 - _BEYOND), _BEYOND - 1)


def _to_ns(number: Decimal, digits: int) -> int:
    if not number or number.adjusted() < -18:
        return 0
    if number.adjusted() > 19:  # and spare the memory for 1e999999
        return _BEYOND
    return int(number.scaleb(digits, _EXACT).to_integral_value(context=_EXACT))


@dataclass(frozen=True, slots=True)
class SeriesRule:
    r"""How the series key is made.

    One field is the key as it is. Several are joined by ``|``, each with ``\`` before every ``\`` and ``|`` of its
    own, so that different fields never make equal keys. None at all: the number of the partition.
    """

    fields: int
    from_message_key: bool

    @classmethod
    def of(cls, spec: RecordSpec) -> SeriesRule:
        """Return the rule that a flow asks for."""
        from_message_key = spec.series_from == "message_key"
        return cls(0 if from_message_key else len(spec.series), from_message_key)

    def key(self, parts: Sequence[object], message_key: bytes | None, partition: int) -> bytes:
        """Return the key [UTF-8] of a record with these series fields."""
        if self.from_message_key:
            return _checked_message_key(message_key)
        if self.fields == 0:
            return str(partition).encode()
        texts = map(_series_text, parts)
        key = _utf8(next(texts) if self.fields == 1 else "|".join(map(_escaped, texts)))
        if len(key) > MAX_KEY_BYTES:
            raise RefusedError(Reason.BAD_SERIES)
        return key


def _checked_message_key(key: bytes | None) -> bytes:
    """Return a message key that can name a series."""
    if not key or len(key) > MAX_KEY_BYTES or not is_utf8(key):
        raise RefusedError(Reason.BAD_SERIES)
    return key


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are well-formed text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _series_text(part: object) -> str:
    if isinstance(part, str) and part:
        return part
    if type(part) is int:
        return str(part)
    raise RefusedError(Reason.MISSING_FIELD if part is None else Reason.BAD_SERIES)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise RefusedError(Reason.BAD_SERIES) from None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def number_from_value(value: object) -> float:
    """Read a parsed value as a finite double."""
    if type(value) is float:
        number = value
    elif type(value) is int:
        number = float(value) if -_FAR < value < _FAR else float("inf")
    else:
        raise RefusedError(Reason.MISSING_FIELD if value is None else Reason.NOT_A_NUMBER)
    if not isfinite(number):
        raise RefusedError(Reason.NOT_FINITE)
    return number


def number_from_text(text: str) -> float:
    """Read a cell of a text format as a finite double, rounded as Python's ``float`` does."""
    if not text:
        raise RefusedError(Reason.MISSING_FIELD)
    if not _NUMBER.fullmatch(text):
        raise RefusedError(Reason.NOT_FINITE if _NOT_FINITE.fullmatch(text) else Reason.NOT_A_NUMBER)
    number = float(text)
    if not isfinite(number):
        raise RefusedError(Reason.NOT_FINITE)
    return number
