"""Alerts on a terminal."""

from __future__ import annotations

import errno
import io

import pytest

from pynomaly.application.ports import Message
from pynomaly.domain.error import DeliveryError
from pynomaly.domain.event import AnomalyDetected, ModelRefitted
from pynomaly.domain.outcome import Level
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.cloudevents import encode
from pynomaly_connectors.terminal import TerminalSink


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def alert(series: str = "pump-1") -> Message:
    """Return an encoded alert."""
    return encode(
        AnomalyDetected(
            "00ff",
            "pumps",
            Stream("vibration"),
            41,
            series,
            1_648_123_200_000_000_000,
            Level.WARNING,
            4.567,
            4.0,
            {"rpm": 1200.5, "load": 0.25},
            {"rpm": 900.0, "load": None},
            (),
        )
    )


def shown(message: Message, stream: io.StringIO | None = None) -> str:
    """Return what a message looks like."""
    stream = stream or io.StringIO()
    writer = TerminalSink(stream).open(None)
    writer.write([message])
    writer.flush()
    return stream.getvalue()


def test_an_alert_is_one_plain_line() -> None:
    """Into a pipe or a file goes text without colours, on one line however long."""
    expected = (
        "2022-03-24T12:00:00Z  WARNING   pump-1  load 0.25, rpm 1200.5 (expected 900)  evidence 4.57 (bar 4.00)\n"
    )
    assert shown(alert()) == expected


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees the level at a glance."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    text = shown(alert(), Terminal())
    assert "\x1b[33mWARNING" in text


def test_other_events_show_their_headers() -> None:
    """A refit is one line too."""
    text = shown(encode(ModelRefitted("0bff", "pumps", Stream("vibration"), 43, "pump-1", "forest", 3, "abc", 1000)))
    assert text == (
        "ce_id=0bff  ce_source=/pynomaly/flows/pumps  ce_type=io.pynomaly.model.refitted.v1  ce_subject=pump-1  "
        "ce_partitionkey=pump-1\n"
    )


def test_a_series_name_cannot_command_the_terminal() -> None:
    """Escape sequences and line breaks in records are shown, not obeyed."""
    text = shown(alert("pump\x1b[2J\nfaked line"))
    assert "\x1b" not in text
    assert text.count("\n") == 1


def test_markup_in_a_series_name_is_text() -> None:
    """Square brackets are part of many names."""
    assert "[bold]pump[/bold]" in shown(alert("[bold]pump[/bold]"))


def test_a_closed_terminal_is_a_delivery_error() -> None:
    """Nobody reads any more: the flow stops instead of going on unseen."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    writer = TerminalSink(Closed()).open(None)
    with pytest.raises(DeliveryError, match="Broken pipe"):
        writer.write([alert()])
