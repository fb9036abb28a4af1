"""Which records were sent twice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pynomaly.application.spec.record import NoTime, RecordSpec
from pynomaly.application.spec.section import Name, Section


class DedupeSpec(Section):
    """Leaves out records that a producer sends twice, by the id that it gives them."""

    field: Name
    """Field with the producer's id of the record, a string or an integer; dots go into nested objects."""
    horizon: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """How many of the last records of an input partition are remembered by their ids, at 32 bytes and the id each."""


class IdentifiedRecord(RecordSpec):
    """Stands for a record of which only the id is read, as its series key. Not for flow files."""

    values: tuple[Name, ...] = ()


def identified_record(dedupe: DedupeSpec, record: RecordSpec) -> RecordSpec:
    """Return how the id of a record is read: by the decoder of its format, as if it were the record's series."""
    return IdentifiedRecord(time=NoTime(field=dedupe.field), series=(dedupe.field,), max_bytes=record.max_bytes)
