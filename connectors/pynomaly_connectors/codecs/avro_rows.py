"""Avro record by record through fastavro: the definition that the compiled reader must equal.

The order of reasons is the table of `pynomaly_connectors.codecs.fields`. A field whose type is a timestamp or a date is
a moment, whatever the flow's time format says; a decimal is a number; an enum is its symbol; of a union the branch that
was written counts, and null is missing. Bytes behind the record do not match its schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

from pynomaly.application.spec.record import RecordSpec
from pynomaly_connectors.codecs.avro_schema import AvroSchema
from pynomaly_connectors.codecs.parsed_rows import ParsedRows, mismatch

#: What fastavro raises for bytes that are not what the schema says.
_UNREADABLE = (EOFError, ValueError, IndexError, KeyError, TypeError, ArithmeticError, AttributeError, MemoryError)


def avro_rows(spec: RecordSpec, writer: AvroSchema, reader: AvroSchema | None = None) -> ParsedRows:
    """Return the decoder of bodies written by one schema, read as another one if that is given."""
    unit_ns = (reader or writer).unit_ns(spec.time.field.split("."))

    def moment_of(value: object) -> int | None:
        return value * unit_ns if unit_ns is not None and type(value) is int else None

    return ParsedRows(spec, AvroBody(writer, reader), moment_of)


class AvroBody:
    """Parses bodies written by one schema.

    Parameters
    ----------
    writer
        The schema that they were written by.
    reader
        The schema as which they are read; None: the same.
    """

    def __init__(self, writer: AvroSchema, reader: AvroSchema | None = None) -> None:
        from fastavro import schemaless_reader  # noqa: PLC0415 - an optional package
        from fastavro.read import SchemaResolutionError  # noqa: PLC0415 - an optional package

        self._read = schemaless_reader
        self._unreadable = (*_UNREADABLE, SchemaResolutionError)
        self._writer = writer.plain
        self._reader = None if reader is None else reader.plain

    def __call__(self, body: bytes) -> Mapping[str, object]:
        """Return the fields of one record."""
        stream = BytesIO(body)
        try:
            record = self._read(stream, self._writer, self._reader)
        except self._unreadable:
            raise mismatch() from None
        if stream.tell() != len(body) or not isinstance(record, dict):
            raise mismatch()
        return record
