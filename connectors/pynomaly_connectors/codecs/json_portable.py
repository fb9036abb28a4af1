"""JSON record by record through orjson: the definition that the fast decoder must equal.

What orjson does decides what JSON is: RFC 8259 with valid UTF-8, no byte order mark, at most 1024 levels deep; of
equal names in one object the last wins. ``NaN``, ``Infinity`` and numbers beyond a double's range (``1e400``, 310
digits) are no JSON to it, so such a record is ``MALFORMED`` whichever field they stand in, and ``NOT_FINITE`` cannot
occur. An integer beyond 64 bits arrives as the nearest double: fine for a value, no integer for a series.

The order of reasons is the table of `pynomaly_connectors.codecs.fields`. A field `a.b` is member `b` of the object in
member `a`; where `a` is no object, `a.b` is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from operator import methodcaller

import orjson

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.fields import SeriesRule, TimeRule, number_from_text, number_from_value
from pynomaly_connectors.codecs.message_fields import NOTHING_BESIDE, Beside, MessageFields
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.codecs.rows import RefusedError, Row, assemble, refused_row

Lookup = Callable[[dict[str, object]], object]
ReadNumber = Callable[[object], float]


class JsonRowReader:
    """Reads one JSON payload as a row; costs about 3 us."""

    def __init__(self, spec: RecordSpec) -> None:
        self._max_bytes = spec.max_bytes
        self._headers = spec.headers
        self._time_rule = TimeRule.of(spec.time)
        self._time = None if spec.time.from_message else self._lookup(spec.time.field)
        self._time_is_text = spec.time.field in spec.headers
        self._series_rule = SeriesRule.of(spec)
        self._series = [self._lookup(name) for name in spec.series[: self._series_rule.fields]]
        self._values = [(self._lookup(name), self._reading(name)) for name in spec.values]

    def row(
        self, payload: bytes | None, message_key: bytes | None, partition: int, beside: Beside = NOTHING_BESIDE
    ) -> Row:
        """Return the row of one record; a refused one where a rule is broken."""
        try:
            record = self._parsed(payload)
            for name in self._headers:
                record[name] = beside.text(name)
            time_ns = self._time_ns(record, beside)
            parts = [field(record) for field in self._series]
            key = self._series_rule.key(parts, message_key, partition)
            return Row(time_ns, key, [number(field(record)) for field, number in self._values])
        except RefusedError as error:
            return refused_row(error.reason, len(self._values))

    def _time_ns(self, record: dict[str, object], beside: Beside) -> int:
        if self._time is None:
            return self._time_rule.from_timestamp(beside.time_ms)
        value = self._time(record)
        return self._time_rule.from_text(str(value or "")) if self._time_is_text else self._time_rule.from_value(value)

    def _lookup(self, name: str) -> Lookup:
        """Return what finds a field; the dots of a header's name lead nowhere."""
        return methodcaller("get", name) if name in self._headers else _lookup(name)

    def _reading(self, name: str) -> ReadNumber:
        return _number_from_header if name in self._headers else number_from_value

    def _parsed(self, payload: bytes | None) -> dict[str, object]:
        if payload is None:
            raise RefusedError(Reason.NO_PAYLOAD)
        if len(payload) > self._max_bytes:
            raise RefusedError(Reason.TOO_LARGE)
        try:
            record: object = orjson.loads(payload)
        except orjson.JSONDecodeError:
            record = None
        if not isinstance(record, dict):
            raise RefusedError(Reason.MALFORMED)
        return record


class PortableJsonDecoder:
    """JSON decoder without compiled code."""

    def __init__(self, spec: RecordSpec) -> None:
        self._reader = JsonRowReader(spec)
        self._beside = MessageFields(spec)
        self._fields = len(spec.values)

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``, in its order."""
        row = self._reader.row
        keys = repeat(None) if raw.keys is None else raw.keys
        records = zip(raw.payloads(), keys, self._beside.of(raw), strict=False)
        rows = [row(payload, key, stream.partition, beside) for payload, key, beside in records]
        return assemble(stream, raw, rows, self._fields)


def _number_from_header(text: object) -> float:
    return number_from_text(str(text or ""))


def _lookup(path: str) -> Lookup:
    first, *rest = path.split(".")
    if not rest:
        return methodcaller("get", first)

    def nested(record: dict[str, object]) -> object:
        value = record.get(first)
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return nested
