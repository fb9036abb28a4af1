"""The rules of reading JSON records that must match a JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.choose import DecoderChoice, json_decoder
from pynomaly_connectors.codecs.json_schema_rows import CheckedJson
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.registry.client import RegisteredSchema, UnusableSchemaError

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"value": {"type": "number", "maximum": 100}, "series": {"type": "string", "pattern": "^[a-z]+$"}},
    "required": ["ts"],
}
GOOD = b'{"ts":1700000000000,"series":"a","value":1.5}'


def _decode(choice: DecoderChoice, schema: Any, *payloads: bytes, **references: Any) -> RecordBatch:
    fields = {"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": ("value",)}
    texts = {name: json.dumps(text) for name, text in references.items()}
    registered = RegisteredSchema("JSON", json.dumps(schema), texts)
    decoder = CheckedJson(json_decoder(RecordSpec.model_validate(fields), choice), registered)
    return decoder.decode(Stream("x"), RawBatch.of(payloads, np.arange(len(payloads))))


@pytest.mark.parametrize("choice", ["fast", "portable"])
def test_only_what_matches_is_read(choice: DecoderChoice) -> None:
    """Rules of the schema are applied beside those of the flow; what is no JSON is malformed."""
    bad = {
        b'{"ts":1700000000000,"series":"a","value":101}': Reason.SCHEMA_MISMATCH,
        b'{"ts":1700000000000,"series":"A","value":1}': Reason.SCHEMA_MISMATCH,
        b'{"series":"a","value":1}': Reason.SCHEMA_MISMATCH,
        b"[]": Reason.SCHEMA_MISMATCH,
        b"{": Reason.MALFORMED,
        b"": Reason.MALFORMED,
        b'{"ts":1700000000000,"series":"a"}': Reason.MISSING_FIELD,
    }
    batch = _decode(choice, SCHEMA, GOOD, *bad, GOOD)
    assert batch.refusal.tolist() == [0, *bad.values(), 0]
    assert [batch.key[row] for row in (0, 1, 8)] == [b"a", b"", b"a"]
    assert np.isnan(batch.values[1:-1]).all()
    assert batch.time_ns[1:-1].tolist() == [0] * 7


def test_references_come_from_the_registry_only() -> None:
    """A name among the references is found; anything else makes the schema unusable, and nothing is fetched."""
    schema = {"type": "object", "properties": {"value": {"$ref": "limit.json"}}}
    batch = _decode("fast", schema, GOOD, **{"limit.json": {"maximum": 1}})
    assert batch.refusal.tolist() == [Reason.SCHEMA_MISMATCH]
    with pytest.raises(UnusableSchemaError, match=r"elsewhere\.json"):
        _decode("fast", {"$ref": "http://127.0.0.1:1/elsewhere.json"}, GOOD)


@pytest.mark.parametrize("text", ["", "{", '{"type": "nothing"}'])
def test_schemas_that_nothing_is_read_by(text: str) -> None:
    """Text that is no JSON Schema."""
    fields = {"time": {"field": "ts"}, "values": ("value",)}
    with pytest.raises(UnusableSchemaError):
        CheckedJson(json_decoder(RecordSpec.model_validate(fields), "portable"), RegisteredSchema("JSON", text))
