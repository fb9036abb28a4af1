"""How a record is read: where its time, its series and its values stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, ValidationInfo, field_validator

from pynomaly.application.spec.section import Name, Section

TimeFormat = Literal["iso8601", "s", "ms", "us", "ns"]


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)  # one moment, one text: the fingerprint of a flow depends on it


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class TimeSpec(Section):
    """Where the event time of a record stands."""

    field: Name
    """Name of the field; dots go into nested objects (`meta.ts`)."""
    format: TimeFormat = "iso8601"
    """`iso8601` (no offset means UTC) or a number since 1970-01-01 UTC in `s`, `ms`, `us` or `ns`."""
    earliest: Moment = datetime(1990, 1, 1, tzinfo=UTC)
    """Records before this moment are rejected as `time_out_of_range`."""
    latest: Moment = datetime(2100, 1, 1, tzinfo=UTC)
    """Records at or after this moment are rejected as `time_out_of_range`."""

    @field_validator("latest")
    @classmethod
    def _after_earliest(cls, latest: datetime, info: ValidationInfo) -> datetime:
        if "earliest" in info.data and latest <= info.data["earliest"]:
            raise ValueError("must be after `earliest`")
        return latest


class NoTime(TimeSpec):
    """Stands for the time of records that have none: all are at 0. Not for flow files; `field` is not read."""


class RecordSpec(Section):
    """The shape of the records."""

    time: TimeSpec
    """Event time."""
    values: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)]
    """Value fields, in the order in which detectors see them; dots go into nested objects."""
    series: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    """Fields that make the series key; several are joined by `|`. Empty: one series for each input partition."""
    series_from: Literal["fields", "message_key"] = "fields"
    """`message_key` takes the Kafka key as the series key instead of fields."""
    max_bytes: Annotated[int, Field(ge=16, le=100_000_000)] = 1_000_000
    """Larger records are rejected as `too_large`."""

    @field_validator("values", "series")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("must name every field once")
        return names

    @field_validator("series_from")
    @classmethod
    def _one_origin(cls, series_from: str, info: ValidationInfo) -> str:
        if series_from == "message_key" and info.data.get("series"):
            raise ValueError("must be `fields` while `series` names some")
        return series_from
