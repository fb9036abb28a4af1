"""How a record is read: where its time, its series and its values stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, ValidationInfo, field_validator, model_validator

from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.section import Name, Section

TimeFormat = Literal["iso8601", "s", "ms", "us", "ns"]


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)  # one moment, one text: the fingerprint of a flow depends on it


def _is_field(origin: object) -> bool:
    return origin == "field"  # left out, so that flows from before this key keep their fingerprint


def _is_empty(names: object) -> bool:
    return names == ()  # likewise


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class TimeSpec(Section):
    """Where the event time of a record stands."""

    origin: Annotated[Literal["field", "message_timestamp"], Field(alias="from", exclude_if=_is_field)] = "field"
    """`message_timestamp` takes the timestamp of the Kafka message instead of a field."""
    field: Name = ""
    """Name of the field; dots go into nested objects (`meta.ts`). Left out with `from: message_timestamp`."""
    format: TimeFormat = "iso8601"
    """`iso8601` (no offset means UTC) or a number since 1970-01-01 UTC in `s`, `ms`, `us` or `ns`."""
    earliest: Moment = datetime(1990, 1, 1, tzinfo=UTC)
    """Records before this moment are rejected as `time_out_of_range`."""
    latest: Moment = datetime(2100, 1, 1, tzinfo=UTC)
    """Records at or after this moment are rejected as `time_out_of_range`."""

    @property
    def from_message(self) -> bool:
        """Whether the timestamp of the message is the time, and there is no field."""
        return self.origin == "message_timestamp"

    @field_validator("latest")
    @classmethod
    def _after_earliest(cls, latest: datetime, info: ValidationInfo) -> datetime:
        if "earliest" in info.data and latest <= info.data["earliest"]:
            raise ValueError("must be after `earliest`")
        return latest

    @model_validator(mode="after")
    def _stands_in_one_place(self) -> TimeSpec:
        if self.from_message == bool(self.field):
            rule = "must be left out with `from: message_timestamp`" if self.field else "must be given"
            raise as_validation_error("time", [Complaint(("field",), rule)])
        return self


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
    headers: Annotated[tuple[Name, ...], Field(max_length=1000, exclude_if=_is_empty)] = ()
    """Which of `time.field`, `series` and `values` stand as text in the message's headers of these names instead of its
    payload; of equal headers the last one counts."""
    max_bytes: Annotated[int, Field(ge=16, le=100_000_000)] = 1_000_000
    """Larger records are rejected as `too_large`."""

    @field_validator("values", "series", "headers")
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

    @model_validator(mode="after")
    def _headers_are_fields(self) -> RecordSpec:
        known = (self.time.field, *self.series, *self.values)
        rule = "must be one of the fields that time, series and values name"
        unknown = [Complaint(("headers", n), rule, name) for n, name in enumerate(self.headers) if name not in known]
        if unknown:
            raise as_validation_error("record", unknown)
        return self
