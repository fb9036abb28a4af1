"""Events whose schema is in a registry: entered at the start, named by every message."""

from __future__ import annotations

from functools import partial

import orjson

from pynomaly.application.ports import Message, MessageSink, MessageWriter
from pynomaly.application.spec.registry import EventSchemas
from pynomaly.domain.error import UnavailableError
from pynomaly_connectors.codecs.cloudevents import with_content_type
from pynomaly_connectors.codecs.event_formats import EventFormat
from pynomaly_connectors.registry.client import Registry, patiently
from pynomaly_connectors.transcoded import TranscodedWriter

_MAGIC = b"\x00"


class RegisteredEventSink:
    """A topic whose events are written by a registered schema, in Confluent's wire format.

    The schema stands under the subject `<topic>-value`. Its id is asked for once, at the start: a registry that goes
    away later stops nothing. One schema has one id, so repeats are the same bytes.

    Parameters
    ----------
    sink
        The topic.
    subject
        Where the registry keeps its schema.
    events
        How the data are encoded.
    registry, options
        The registry, and whether the schema may be entered.
    """

    def __init__(
        self, sink: MessageSink, subject: str, events: EventFormat, registry: Registry, options: EventSchemas
    ) -> None:
        self._sink = sink
        self._subject = subject
        self._events = events
        self._registry = registry
        self._options = options

    @property
    def where(self) -> str:
        """Where an operator finds the messages."""
        return self._sink.where

    def check(self) -> None:
        """Look whether the topic is there, and whether the subject has the schema or would take it.

        Raises
        ------
        ConfigError
            When it would not.
        UnavailableError
            When the schema is not there and must not be entered, or the registry refuses us.
        TransientError
            When the registry does not answer in time.
        """
        self._sink.check()
        if self._find() is not None:
            return
        if not self._options.register_schemas:
            raise self._missing()
        takes = partial(self._registry.takes, self._subject, self._events.kind, self._events.text)
        if not patiently(takes, self._options.timeout_s):
            raise self._registry.incompatible(self._subject)

    def open(self, position: bytes | None) -> MessageWriter:
        """Open the topic, its schema entered before; raises as `check` does."""
        enter = partial(self._registry.enter, self._subject, self._events.kind, self._events.text)
        schema_id = patiently(enter, self._options.timeout_s) if self._options.register_schemas else self._find()
        if schema_id is None:
            raise self._missing()
        return TranscodedWriter(self._sink.open(position), partial(_written, self._events, schema_id))

    def _find(self) -> int | None:
        find = partial(self._registry.find, self._subject, self._events.kind, self._events.text)
        return patiently(find, self._options.timeout_s)

    def _missing(self) -> UnavailableError:
        return UnavailableError(
            f"subject {self._subject} at {self._options.url} must hold the schema of this version's events, did not: "
            "enter it (see docs/formats.md), or let the flow do so by `register_schemas: true`"
        )


def _written(events: EventFormat, schema_id: int, message: Message) -> Message:
    kind = dict(message.headers)["ce_type"] or b""
    body = events.body(kind.decode(), orjson.loads(message.value))
    value = _MAGIC + schema_id.to_bytes(4, "big") + body
    return Message(value, message.key, with_content_type(message, events.content_type))
