"""Outputs to which nothing is written: looked at once a second, and what they say is told when it changes."""

from __future__ import annotations

import pytest

from pynomaly.application.telemetry import NoTelemetry
from pynomaly.domain.error import AccessError
from pynomaly_flows.idle_outputs import IdleOutputs


class _Listener(NoTelemetry):
    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []

    def output_answers(self, output: str, outage: str | None) -> None:
        self.told.append((output, outage))


def test_what_changes_is_told_once() -> None:
    """An output that is away, and that is back; more often than once a second nobody looks."""
    now_s, said, listener = [0.0], iter([None, "away", "away", None]), _Listener()
    outputs = IdleOutputs(lambda: now_s[0])
    outputs.join("alerts", lambda: next(said))
    for moment in (0.5, 1.0, 1.9, 2.0, 3.0, 4.0):
        now_s[0] = moment
        outputs.look(listener)
    assert listener.told == [("alerts", "away"), ("alerts", None)]
    assert list(said) == []


def test_a_failure_stops_whoever_looks() -> None:
    """A refused log-in is not first seen at the next alert; an output that is closed is left alone."""

    def refuse() -> None:
        raise AccessError("must be open")

    now_s = [0.0]
    outputs = IdleOutputs(lambda: now_s[0])
    outputs.join("alerts", refuse)
    now_s[0] = 1.0
    with pytest.raises(AccessError):
        outputs.look(NoTelemetry())
    outputs.leave("alerts")
    now_s[0] = 2.0
    outputs.look(NoTelemetry())
