"""What the windows of a flow look like: their span, their step, what is measured in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.windows.pane import pane_bytes

Aggregate = Literal["count", "mean", "min", "max", "std"]

#: Every aggregate; its place here is its code in compiled functions. ``std`` is that of the population.
AGGREGATES: Final[tuple[Aggregate, ...]] = get_args(Aggregate)

#: Most panes kept for one series: closing a window costs one merge for each pane in it.
MOST_PANES: Final = 1000
DAY_NS: Final = 86_400_000_000_000
#: Longest span of event time that a flow can name.
LONGEST_NS: Final = 366 * DAY_NS


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Windows ``[start, start + size)`` whose starts are the multiples of ``slide`` since the epoch.

    Parameters
    ----------
    size_ns
        Length of a window.
    slide_ns
        Distance between the starts of two windows; divides ``size_ns``. Equal to it: tumbling windows.
    aggregates
        What is measured of each value field, in the order of the result.
    lateness_ns
        How far the watermark stays behind the highest event time of the stream.
    max_jump_ns
        A record further ahead of its stream than this is not believed alone (`watermark`). Choose it above
        the longest gap that the stream shows on ordinary days.

    Raises
    ------
    ConfigError
        Naming every value outside its range.
    """

    size_ns: int
    slide_ns: int
    aggregates: tuple[Aggregate, ...]
    lateness_ns: int = 0
    max_jump_ns: int = DAY_NS

    def __post_init__(self) -> None:
        problems = [*self._bad_spans(), *self._bad_aggregates()]
        if not problems and self.panes > MOST_PANES:
            problems.append(
                Problem("slide_ns", f"must cut size and lateness into at most {MOST_PANES} panes, was {self.panes}")
            )
        if problems:
            raise ConfigError(*problems)

    @property
    def kind(self) -> Literal["tumbling", "sliding"]:
        """What an operator calls these windows."""
        return "tumbling" if self.slide_ns == self.size_ns else "sliding"

    @property
    def panes(self) -> int:
        """Panes that a series can have open at once.

        The newest open pane holds the highest time, the oldest belongs to the last window that the watermark
        has not reached: ``ceil(lateness / slide)`` panes further back and ``size / slide`` panes long.
        """
        return -(-(self.size_ns + self.lateness_ns) // self.slide_ns)

    def bytes_per_series(self, fields: int) -> int:
        """Size of one series' state with that many value fields [bytes]."""
        return self.panes * pane_bytes(fields) + 8

    def columns(self, fields: Sequence[str]) -> tuple[str, ...]:
        """Name the columns of the result: ``<field>.<aggregate>``, field by field."""
        return tuple(f"{field}.{aggregate}" for field in fields for aggregate in self.aggregates)

    def _bad_spans(self) -> list[Problem]:
        bounds = (
            ("size_ns", self.size_ns, 1, LONGEST_NS),
            ("slide_ns", self.slide_ns, 1, max(self.size_ns, 1)),
            ("lateness_ns", self.lateness_ns, 0, LONGEST_NS),
            ("max_jump_ns", self.max_jump_ns, max(self.lateness_ns, 1), LONGEST_NS),
        )
        problems = [
            Problem(name, f"must be between {low} and {high}, was {value}")
            for name, value, low, high in bounds
            if not low <= value <= high
        ]
        if not problems and self.size_ns % self.slide_ns:
            problems.append(Problem("size_ns", f"must be a multiple of slide_ns {self.slide_ns}, was {self.size_ns}"))
        return problems

    def _bad_aggregates(self) -> list[Problem]:
        known = set(self.aggregates) <= set(AGGREGATES)
        if known and 0 < len(self.aggregates) == len(set(self.aggregates)):
            return []
        allowed = ", ".join(AGGREGATES)
        return [Problem("aggregates", f"must be different ones of {allowed}, was {list(self.aggregates)}")]
