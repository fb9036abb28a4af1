"""How many series a stream may hold, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Eviction(Enum):
    """Why a series was forgotten."""

    EXPIRED = "expired"
    """Its stream went on for longer than the flow keeps an idle series."""
    DISPLACED = "displaced"
    """It was the one untouched for longest when a new series came and there was no room."""

    @property
    def label(self) -> str:
        """The word operators and metrics use."""
        return self.value


@dataclass(frozen=True, slots=True)
class Admission:
    """The bounds on the series of one stream.

    Parameters
    ----------
    limit
        Most series held at once.
    idle_ns
        Event time that the stream may go on without a series before that series is forgotten; 0: for ever.
    evicts
        Whether a new series at the limit displaces the one whose last record is oldest; else its records are refused.
    max_jump_ns
        In a flow with windows, their bound on jumps of time: the clock of idleness is then the front of the watermark
        (`pynomaly.domain.series.clock`). 0 in a flow without windows.
    sweep_records
        Records from one sweep for idle series to the next; more where there are more series, so that a record pays for
        looking at one series at the most.
    """

    limit: int = 1_000_000
    idle_ns: int = 0
    evicts: bool = True
    max_jump_ns: int = 0
    sweep_records: int = 8_192
