"""Alerts as lines on a terminal, for the person in front of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import orjson
from rich.console import Console
from rich.text import Text

from pynomaly.application.ports import Message, MessageWriter
from pynomaly.domain.error import DeliveryError

_STYLES = {"watch": "cyan", "warning": "yellow", "critical": "bold red"}
_NOTHING_TO_RESUME = b"{}"

Render = Callable[[Message], Text]


def alert_line(message: Message) -> Text:
    """Render an encoded event: an alert with its values, any other one by its headers."""
    headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers}
    if headers.get("ce_type", "").startswith("io.pynomaly.anomaly."):
        return _alert(orjson.loads(message.value))
    named = {name: value for name, value in headers.items() if name not in {"ce_specversion", "content-type"}}
    return Text(_printable("  ".join(f"{name}={value}" for name, value in named.items())))


class TerminalSink:
    """Lines on a text stream; coloured when that is a terminal, plain otherwise.

    Parameters
    ----------
    stream
        Where the lines go, usually standard output.
    render
        Makes one line of a message.
    """

    def __init__(self, stream: TextIO, render: Render = alert_line) -> None:
        self._stream = stream
        self._render = render

    @property
    def where(self) -> str:
        """Where the lines appear."""
        return "the terminal"

    def check(self) -> None:
        """Do nothing: a stream is open already."""

    def open(self, position: bytes | None) -> MessageWriter:  # noqa: ARG002 - what was shown was shown
        """Open the stream; a restart may show lines again."""
        return TerminalWriter(self._stream, self._render)


class _Console(Console):
    """A console that reports a closed pipe; rich's own would end the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class TerminalWriter:
    """Prints lines; made by `TerminalSink.open`."""

    def __init__(self, stream: TextIO, render: Render) -> None:
        self._stream = stream
        self._console = _Console(file=stream, highlight=False, soft_wrap=True)
        self._render = render

    def write(self, messages: Sequence[Message]) -> None:
        """Print one line for each message.

        Raises
        ------
        DeliveryError
            When nobody reads the stream any more.
        """
        try:
            for message in messages:
                self._console.print(self._render(message))
        except OSError as error:
            raise _unread(error) from error

    def flush(self) -> None:
        """Return when the lines have left the process.

        Raises
        ------
        DeliveryError
            When nobody reads the stream any more.
        """
        try:
            self._stream.flush()
        except OSError as error:
            raise _unread(error) from error

    def position(self) -> bytes:
        """Return a token without content: lines on a terminal are not taken back."""
        return _NOTHING_TO_RESUME

    def close(self) -> None:
        """Do nothing: the stream belongs to whoever passed it."""


def _alert(alert: Mapping[str, Any]) -> Text:
    level = str(alert["level"])
    deviations = ", ".join(_deviation(name, alert) for name in alert["values"])
    return Text.assemble(
        (str(alert["time"]), "dim"),
        "  ",
        (f"{level.upper():<8}", _STYLES.get(level, "")),
        "  ",
        (_printable(str(alert["series"])), "bold"),
        f"  {_printable(deviations)}",
        (f"  evidence {alert['evidence']:.2f} (bar {alert['bar']:.2f})", "dim"),
    )


def _deviation(name: str, alert: Mapping[str, Any]) -> str:
    expected = alert["expected"].get(name)
    told = "" if expected is None else f" (expected {expected:.6g})"
    return f"{name} {alert['values'][name]:.6g}{told}"


def _printable(text: str) -> str:
    """Disarm control characters: series names come from records, and a terminal obeys escape sequences."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _unread(error: OSError) -> DeliveryError:
    return DeliveryError(f"the terminal must take the lines printed, was closed: {error.strerror}")
