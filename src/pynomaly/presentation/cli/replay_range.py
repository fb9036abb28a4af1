"""Which part of its input a replay reads: `--from` and `--to`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from pynomaly.application.ports import RecordSource
    from pynomaly.application.spec.start import Place
    from pynomaly.bootstrap import Services

_PLACE: Final = "OFFSET|N:OFFSET,...|MOMENT"

FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar=_PLACE,
        help="Begin a topic there: at an offset of every partition, at offsets by partition (0:1200,1:900), or at the "
        "first record with this timestamp or a later one (2026-01-31T08:00:00Z).",
        show_default=False,
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar=_PLACE,
        help="End a topic before that place; else at what it holds now.",
        show_default=False,
    ),
]

COLD_START: Final = (
    "note: --from begins where the live flow did not: detectors know nothing of the records before, so scores and "
    "alerts differ from the live ones, and alerts have their ids all the same"
)


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """The records from one place on and before another; None for the first record, and for whatever there is."""

    begin: Place | None
    end: Place | None

    @classmethod
    def of(cls, begin: str | None, end: str | None) -> ReplayRange:
        """Read the options.

        Raises
        ------
        ConfigError
            When one of them is no place, or the end comes before the beginning.
        """
        from pynomaly.domain.error import ConfigError, Problem

        places = cls(_place("--from", begin), _place("--to", end))
        if _lies_before(places.end, places.begin):
            raise ConfigError(Problem("--to", f"must not lie before --from, was {end!r}"))
        return places

    def source(self, services: Services) -> RecordSource:
        """Return the flow's input, or the part of it that is asked for.

        Raises
        ------
        ConfigError
            When the input cannot be read in parts.
        """
        from pynomaly.application.ports import RangedSource
        from pynomaly.domain.error import ConfigError, Problem

        whole, kind = services.source, services.spec.source.kind
        if isinstance(whole, RangedSource):
            return whole.between(self.begin, self.end)
        given = {"--from": self.begin, "--to": self.end}
        rule = (
            f"must be left out for a source of kind {kind}: only topics have offsets and timestamps to begin or end at"
        )
        problems = [Problem(option, rule) for option, place in given.items() if place is not None]
        if problems:
            raise ConfigError(*problems)
        return whole


def _place(option: str, text: str | None) -> Place | None:
    from pynomaly.application.spec.start import parse_place
    from pynomaly.domain.error import ConfigError, Problem

    try:
        return None if text is None else parse_place(text)
    except ValueError as error:
        raise ConfigError(Problem(option, str(error))) from None


def _lies_before(one: Place | None, other: Place | None) -> bool:
    """Tell whether that is plain; offsets and moments cannot be compared without the topic."""
    if isinstance(one, int) and isinstance(other, int):
        return one < other
    return isinstance(one, datetime) and isinstance(other, datetime) and one < other
