"""A topic of an in-memory broker as a message sink."""

from __future__ import annotations

from collections.abc import Sequence

from pynomaly.application.ports import Message, MessageWriter
from pynomaly.application.spec.sink import MemorySink
from pynomaly_connectors.memory.broker import Broker, broker

_NOTHING_TO_RESUME = b"{}"


class MemoryMessageSink:
    """A topic of an in-memory broker; it comes into being with the first message."""

    def __init__(self, spec: MemorySink) -> None:
        self._spec = spec

    @property
    def where(self) -> str:
        """Topic and broker."""
        return f"topic {self._spec.topic} of in-memory broker {self._spec.broker}"

    def check(self) -> None:
        """Do nothing: any topic can come into being."""

    def open(self, position: bytes | None) -> MessageWriter:  # noqa: ARG002 - a topic cannot be cut back
        """Open the topic; as in Kafka, what stands behind an earlier position stays."""
        return MemoryMessageWriter(broker(self._spec.broker), self._spec.topic)


class MemoryMessageWriter:
    """Appends at once; made by `MemoryMessageSink.open`."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._topic = topic

    def write(self, messages: Sequence[Message]) -> None:
        """Append messages in order."""
        for message in messages:
            self._broker.append(self._topic, message.value, message.key, message.headers)

    def flush(self) -> None:
        """Do nothing: an appended message is as durable as the process."""

    def position(self) -> bytes:
        """Return a token without content: a topic is not cut back."""
        return _NOTHING_TO_RESUME

    def close(self) -> None:
        """Do nothing: a writer holds nothing."""
