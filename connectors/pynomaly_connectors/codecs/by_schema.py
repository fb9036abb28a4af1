"""Which decoder reads the records of a schema."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.registry import RecordSchemas
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.payload import Decoder
from pynomaly_connectors.codecs.registered import RegisteredDecoder
from pynomaly_connectors.codecs.scanned import Scan
from pynomaly_connectors.registry.client import RegisteredSchema, Registry, UnusableSchemaError
from pynomaly_connectors.registry.store import SchemaStore

#: Where the registry of records stands in a flow.
INPUT_REGISTRY: Final = "source.schema_registry"
_KINDS: Final = {"avro": "AVRO", "protobuf": "PROTOBUF", "json_schema": "JSON"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scans:
    """Compiled code that the decoders use: the caller has a cache of it."""

    json: Scan
    avro: Scan


def registered_decoder(record: RecordSpec, source: KafkaSource, registry: RecordSchemas, scans: Scans) -> Decoder:
    """Return the decoder of a topic whose records name their schemas.

    Raises
    ------
    ConfigError
        When the packages for schemas are not installed.
    """
    make = DecoderMaker(record, source, Registry(registry, INPUT_REGISTRY), registry, scans)
    store = SchemaStore(make, registry.timeout_s)
    return RegisteredDecoder(store, record.max_bytes, len(record.values))


class DecoderMaker:
    """Makes the decoder of a schema id; runs beside the reader, for a registry or a compiler may take its time."""

    def __init__(
        self, record: RecordSpec, source: KafkaSource, registry: Registry, options: RecordSchemas, scans: Scans
    ) -> None:
        self._record = record
        self._source = source
        self._registry = registry
        self._options = options
        self._scans = scans

    def __call__(self, schema_id: int) -> Decoder | None:
        """Return the decoder of an id; None, and a log line, if the registry has no usable schema under it.

        Raises
        ------
        RegistryAwayError, UnavailableError
            When the registry does not answer, or refuses us.
        ConfigError
            When there is no version to read all records as.
        """
        schema = self._registry.by_id(schema_id)
        if schema is None:
            _log.warning("schema_unknown", extra={"schema_id": schema_id})
            return None
        try:
            return self._decoder(schema)
        except UnusableSchemaError as reason:
            _log.warning("schema_unusable", extra={"schema_id": schema_id, "reason": str(reason)})
            return None

    def _decoder(self, schema: RegisteredSchema) -> Decoder:
        expected = _KINDS[self._source.format]
        if schema.kind != expected:
            raise UnusableSchemaError(f"must be of kind {expected}, was {schema.kind}")
        return self._makers[expected](schema)

    @cached_property
    def _makers(self) -> dict[str, Callable[[RegisteredSchema], Decoder]]:
        return {"AVRO": self._avro, "PROTOBUF": self._protobuf, "JSON": self._json}

    def _avro(self, schema: RegisteredSchema) -> Decoder:
        from pynomaly_connectors.codecs.avro_fast import avro_decoder  # noqa: PLC0415 - an optional package
        from pynomaly_connectors.codecs.avro_schema import AvroSchema  # noqa: PLC0415 - an optional package

        reader = self._reader_schema
        as_written = reader is None or reader.text == schema.text
        portable = self._source.decoder == "portable"
        parsed = None if as_written or reader is None else AvroSchema.of(reader)
        return avro_decoder(self._record, AvroSchema.of(schema), parsed, None if portable else self._scans.avro)

    def _protobuf(self, schema: RegisteredSchema) -> Decoder:
        from pynomaly_connectors.codecs.protobuf_rows import protobuf_rows  # noqa: PLC0415 - an optional package
        from pynomaly_connectors.codecs.protobuf_schema import compile_proto  # noqa: PLC0415 - an optional package

        return protobuf_rows(self._record, compile_proto(schema))

    def _json(self, schema: RegisteredSchema) -> Decoder:
        from pynomaly_connectors.codecs.json_schema_rows import CheckedJson  # noqa: PLC0415 - an optional package

        decoder = json_decoder(self._record, self._source.decoder, self._scans.json)
        return CheckedJson(decoder, schema) if self._options.check_records else decoder

    @cached_property
    def _reader_schema(self) -> RegisteredSchema | None:
        version, subject = self._options.reader_version, f"{self._source.topic}-value"
        if version is None:
            return None
        schema = self._registry.version(subject, version)
        if schema is None:
            rule = f"must be a version of subject {subject} in the registry, was {version}"
            raise ConfigError(Problem(f"{INPUT_REGISTRY}.reader_version", rule))
        return schema
