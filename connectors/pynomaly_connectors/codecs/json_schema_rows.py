"""JSON records that name their JSON Schema: read as JSON, and checked."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.registry.client import RegisteredSchema, UnusableSchemaError


class CheckedJson:
    """JSON bodies that must match a schema, of whichever draft it names; costs what JSON costs and about 1 us.

    Parameters
    ----------
    json_decoder
        Reads the bodies.
    schema
        What they must match.

    Raises
    ------
    UnusableSchemaError
        When it is no JSON Schema.
    """

    def __init__(self, json_decoder: Decoder, schema: RegisteredSchema) -> None:
        self._json = json_decoder
        self._validator = _validator(schema)

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row for each record of ``raw``, in its order."""
        batch = self._json.decode(stream, raw)
        rows = [row for row, payload in enumerate(raw.payloads()) if not self._matches(payload or b"")]
        batch.refusal[rows] = Reason.SCHEMA_MISMATCH.value
        batch.time_ns[rows], batch.values[rows] = 0, np.nan
        batch.key.length[rows] = 0
        return batch

    def _matches(self, payload: bytes) -> bool:
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return True  # the decoder says what is wrong with it
        return bool(self._validator.is_valid(document))


def _validator(schema: RegisteredSchema) -> Any:
    import jsonschema_rs  # noqa: PLC0415 - an optional package

    def referred(name: str) -> Any:
        """Find a schema among those that the registry gave: nothing is ever fetched from elsewhere."""
        for known, text in schema.references.items():
            if name == known or name.rpartition("/")[2] == known:
                return json.loads(text)
        raise LookupError(f"{name} is not among the references of the schema")

    try:
        return jsonschema_rs.validator_for(schema.text, retriever=referred)
    except (ValueError, LookupError, jsonschema_rs.ReferencingError) as error:
        raise UnusableSchemaError(f"must be a JSON Schema, was none: {error}") from None
