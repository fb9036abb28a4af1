"""How a record is read: where its time, its series and its values stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from pynomaly.application.spec.section import Name, Section

TimeFormat = Literal["iso8601", "s", "ms", "us", "ns"]


class TimeSpec(Section):
    """Where the event time of a record stands."""

    field: Name
    """Name of the field; dots go into nested objects (`meta.ts`)."""
    format: TimeFormat = "iso8601"
    """`iso8601` (no offset means UTC) or a number since 1970-01-01 UTC in `s`, `ms`, `us` or `ns`."""
    earliest: AwareDatetime = datetime(1990, 1, 1, tzinfo=UTC)
    """Records before this moment are rejected as `time_out_of_range`."""
    latest: AwareDatetime = datetime(2100, 1, 1, tzinfo=UTC)
    """Records at or after this moment are rejected as `time_out_of_range`."""


class RecordSpec(Section):
    """The shape of the records."""

    time: TimeSpec
    """Event time."""
    values: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)]
    """Value fields, in the order in which detectors see them; dots go into nested objects."""
    series: tuple[Name, ...] = ()
    """Fields that make the series key; several are joined by `|`. Empty: one series for each input partition."""
    series_from: Literal["fields", "message_key"] = "fields"
    """`message_key` takes the Kafka key as the series key instead of fields."""
    max_bytes: Annotated[int, Field(ge=16, le=100_000_000)] = 1_000_000
    """Larger records are rejected as `too_large`."""
