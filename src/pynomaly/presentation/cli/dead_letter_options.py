"""Options that say which dead letters are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pynomaly.application.redrive import PlaceBound, Selection

ReasonOption = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="REASON", help="Only letters of this reason; repeatable.", show_default=False),
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="[PARTITION:]OFFSET",
        help="Only letters of records from this place of the input on.",
        show_default=False,
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="[PARTITION:]OFFSET",
        help="Only letters of records up to this place of the input.",
        show_default=False,
    ),
]


def selection_of(flow: str, reasons: list[str] | None, first: str | None, last: str | None) -> Selection:
    """Return which letters the options mean.

    Raises
    ------
    ConfigError
        When a reason is none that records are rejected for, or a place cannot be read.
    """
    from pynomaly.application.redrive import Selection

    for reason in reasons or ():
        _check_reason(reason)
    places = (None if text is None else place_bound(name, text) for name, text in (("--from", first), ("--to", last)))
    return Selection(flow, frozenset(reasons or ()), *places)


def place_bound(option: str, text: str) -> PlaceBound:
    """Read ``OFFSET`` or ``PARTITION:OFFSET``.

    Raises
    ------
    ConfigError
        When it is neither.
    """
    from pynomaly.application.redrive import PlaceBound
    from pynomaly.domain.error import ConfigError, Problem

    partition, colon, offset = text.rpartition(":")
    try:
        return PlaceBound(_natural(offset), _natural(partition) if colon else None)
    except ValueError:
        rule = f"must be OFFSET or PARTITION:OFFSET, both whole numbers from 0, was {text!r}"
        raise ConfigError(Problem(option, rule)) from None


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _check_reason(reason: str) -> None:
    from pynomaly.application.spec.complaint import one_of
    from pynomaly.domain.error import ConfigError, Problem
    from pynomaly.domain.outcome import Outcome, Reason

    known = tuple(one.label for one in Reason if one.outcome is Outcome.REJECTED)
    if reason not in known:
        raise ConfigError(Problem("--reason", f"{one_of(reason, known)}, was {reason!r}"))
