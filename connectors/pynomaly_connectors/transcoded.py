"""A sink whose messages are encoded once more on their way: events are JSON up to the edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pynomaly.application.ports import MayBeAway, Message, MessageSink, MessageWriter

Transcode = Callable[[Message], Message]


class TranscodedSink:
    """Another form of every message for a sink.

    Parameters
    ----------
    sink
        Where they go.
    transcode
        Pure function of a message: equal messages stay equal.
    """

    def __init__(self, sink: MessageSink, transcode: Transcode) -> None:
        self._sink = sink
        self._transcode = transcode

    @property
    def where(self) -> str:
        """Where an operator finds the messages."""
        return self._sink.where

    def check(self) -> None:
        """Look whether messages can go there."""
        self._sink.check()

    def open(self, position: bytes | None) -> MessageWriter:
        """Open the sink."""
        return TranscodedWriter(self._sink.open(position), self._transcode)


class TranscodedWriter:
    """An open sink whose messages get another form; made by `TranscodedSink.open`."""

    def __init__(self, writer: MessageWriter, transcode: Transcode) -> None:
        self._writer = writer
        self._transcode = transcode

    def write(self, messages: Sequence[Message]) -> None:
        """Queue messages in order."""
        self._writer.write([self._transcode(message) for message in messages])

    def flush(self) -> None:
        """Return when every written message is durable."""
        self._writer.flush()

    def idle(self) -> str | None:
        """Let the writer take what its place has to say, if that may be away."""
        return self._writer.idle() if isinstance(self._writer, MayBeAway) else None

    def position(self) -> bytes:
        """Return the token of the sink."""
        return self._writer.position()

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()
