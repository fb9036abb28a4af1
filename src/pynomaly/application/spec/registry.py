"""Where schemas of records and events are kept."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from pynomaly.application.spec.section import Name, Seconds, Section

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SchemaRegistry(Section):
    """A Schema Registry that speaks Confluent's API."""

    url: Annotated[str, Field(max_length=1000, pattern=r"^https?://[^\s@,]+$")]
    """Where its API begins: `https://registry:8081`, of Apicurio `https://registry:8080/apis/ccompat/v7`."""
    username: Annotated[str, Field(max_length=200, pattern="^[^:]+$")] | None = None
    """User for basic authentication; none: no credentials are sent."""
    password: Annotated[SecretStr, Field(max_length=1000)] | None = None
    """Its password, as `${NAME}`; never shown, and sent over `https` or to this machine only."""
    password_file: Name | None = None
    """A file that holds the password instead, read when the flow starts."""
    ca_file: Name | None = None
    """PEM file with the authorities that may sign the registry's certificate; by default those of Mozilla."""
    timeout_s: Seconds = 20.0
    """How long it may leave a question open before the flow stops [s]; a schema that is known is not asked for."""

    @field_validator("username")
    @classmethod
    def _encrypted(cls, username: str | None, info: ValidationInfo) -> str | None:
        url = urlsplit(info.data.get("url", ""))
        if username is not None and url.scheme == "http" and url.hostname not in _LOOPBACK:
            raise ValueError("must be left out while `url` begins with http: the password would be sent unencrypted")
        return username

    @field_validator("password", "password_file")
    @classmethod
    def _of_a_user(cls, given: object, info: ValidationInfo) -> object:
        if given is not None and info.data.get("username") is None:
            raise ValueError("must be left out without `username`")
        if given is not None and info.field_name == "password_file" and info.data.get("password") is not None:
            raise ValueError("must be left out: `password` is given already")
        return given


class RecordSchemas(SchemaRegistry):
    """The registry that records' schemas are looked up in."""

    reader_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Version of the subject `<topic>-value` as which all Avro records are read; its defaults and aliases then stand
    in for fields that a record was written without. None: each record as it was written."""
    check_records: bool = True
    """Whether `json_schema` records must match their schema; without it they are only read, ten times as fast."""


class EventSchemas(SchemaRegistry):
    """The registry that events' schemas are entered into."""

    register_schemas: bool = True
    """Whether a start enters the schema under `<topic>-value`; without it the schema must be there already."""
