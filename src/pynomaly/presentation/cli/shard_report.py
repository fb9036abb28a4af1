"""What a shard tells its supervisor: lines among those that it prints, told apart by their first byte."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

import msgspec

from pynomaly.application.tally import Totals

_MARK: Final = "\x1e"  # record separator: begins a JSON text in a sequence of other things (RFC 7464)
_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ShardReport:
    """The present state of one process; a later report replaces an earlier one.

    Parameters
    ----------
    totals
        What it has counted by now.
    alerts_to
        Where its alerts go.
    endpoint
        Where it serves metrics, as `http://host:port`; None: nowhere.
    resumed_from
        When the state that it goes on from was saved; None for a run from the beginning.
    alerts_in_file
        Alerts that its file holds at the end; None before, and where alerts go elsewhere.
    at_end
        Whether it has come to the end of its input; false for one that runs, or that was stopped before.
    """

    totals: Totals
    alerts_to: str
    endpoint: str | None = None
    resumed_from: str | None = None
    alerts_in_file: int | None = None
    at_end: bool = False

    def to_line(self) -> str:
        """Return the report as a line without its end."""
        return _MARK + msgspec.json.encode(self).decode()

    @classmethod
    def from_line(cls, line: bytes) -> ShardReport | None:
        """Read a line; None for one that is something else, as an alert on the terminal is."""
        if not line.startswith(_MARK.encode()):
            return None
        return msgspec.json.decode(line[len(_MARK) :], type=cls)


class Reporter:
    """Reports once a second, for the length of a ``with`` block: little is unknown then of a process that is killed.

    Parameters
    ----------
    report
        Returns the present state.
    """

    def __init__(self, report: Callable[[], ShardReport]) -> None:
        self._report = report
        self._ended = Event()
        self._thread = Thread(target=self._repeat, name="shard-reporter", daemon=True)

    def __enter__(self) -> Self:
        tell(self._report())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _repeat(self) -> None:
        while not self._ended.wait(_EVERY_S):
            tell(self._report())


def tell(report: ShardReport) -> None:
    """Send a report: one write of a whole line, between those of others."""
    sys.stdout.write(f"{report.to_line()}\n")
    sys.stdout.flush()
