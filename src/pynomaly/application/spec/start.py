"""Places in a topic as operators name them: where a flow starts to read, and what a replay covers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, cast

from pydantic import Field

from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.section import ReadBy

TopicEnd = Literal["earliest", "latest"]

#: An offset of every partition, offsets by partition, or a moment: the first record with that timestamp or a later one.
Place = int | dict[int, int] | datetime

_ENDS: Final[tuple[TopicEnd, ...]] = ("earliest", "latest")
MOMENT_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]+(Z|[+-][0-9:]+)$"
_PAIRS: Final = re.compile(r"[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*")
_MOMENT_RULE: Final = "a moment with its distance from UTC such as 2026-01-31T08:00:00Z"
_RULE: Final = f"must be earliest, latest, an offset, offsets by partition, or {_MOMENT_RULE}"
_PLACE_RULE: Final = f"must be an offset, offsets by partition such as 0:1200,1:900, or {_MOMENT_RULE}"
_OFFSET_RULE: Final = "must be an offset from 0"
_MOST_DIGITS: Final = 18  # of an offset: a Kafka offset has 63 bits


def read_start(given: object) -> TopicEnd | Place:
    """Return where to start from what a file says.

    Raises
    ------
    ValueError
        When it is no place; of a mapping each bad entry is told at its own path.

    Examples
    --------
    >>> read_start("latest"), read_start(12), read_start({0: 5, "1": "7"})
    ('latest', 12, {0: 5, 1: 7})
    """
    for end in _ENDS:
        if given == end:
            return end
    if isinstance(given, Mapping):
        return _by_partition(cast("Mapping[object, object]", given))
    return _place(given, _RULE)


def parse_place(text: str) -> Place:
    """Return a place from how a command line names it.

    Raises
    ------
    ValueError
        When it is none, or names a partition twice.

    Examples
    --------
    >>> parse_place("12"), parse_place("0:1200,1:900"), parse_place("2026-01-31T09:00+01:00").isoformat()
    (12, {0: 1200, 1: 900}, '2026-01-31T08:00:00+00:00')
    """
    if _PAIRS.fullmatch(text):
        pairs = [pair.split(":") for pair in text.split(",")]
        if len({int(number) for number, _ in pairs}) < len(pairs):
            raise ValueError(f"must name every partition once, was {text!r}")
        return _by_partition({number: offset for number, offset in pairs})  # noqa: C416 - typed pairs
    return _place(text, f"{_PLACE_RULE}, was {text!r}")


def place_text(place: TopicEnd | Place) -> str:
    """Return a place as a command line names it."""
    if isinstance(place, dict):
        return ",".join(f"{number}:{offset}" for number, offset in place.items())
    return place.isoformat().replace("+00:00", "Z") if isinstance(place, datetime) else str(place)


def _place(given: object, rule: str) -> int | datetime:
    offset = _offset(given)
    if offset is not None:
        return offset
    moment = _moment(given)
    if moment is None:
        raise ValueError(rule)
    return moment


def _by_partition(given: Mapping[object, object]) -> dict[int, int]:
    complaints: list[Complaint] = []
    offsets: dict[int, int] = {}
    for key, value in given.items():
        number, offset = _offset(key), _offset(value)
        if number is None:
            complaints.append(Complaint((str(key),), "must be the number of a partition"))
        elif offset is None:
            complaints.append(Complaint((str(key),), _OFFSET_RULE, value))
        else:
            offsets[number] = offset
    if complaints:
        raise as_validation_error("start", complaints)
    if not offsets:
        raise ValueError("must name at least one partition")
    return offsets


def _offset(given: object) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int | str):
        return None
    text = str(given)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _moment(given: object) -> datetime | None:
    """Return a moment in UTC; one without a distance from UTC may be any of 26 hours."""
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given.strip())
        except ValueError:
            return None
    return given.astimezone(UTC) if isinstance(given, datetime) and given.tzinfo is not None else None


_Offset = Annotated[int, Field(ge=0)]
_Written = TopicEnd | _Offset | Annotated[str, Field(pattern=MOMENT_PATTERN)] | dict[str, _Offset]

#: Where the first start of a flow begins.
Start = Annotated[TopicEnd | Place, ReadBy(read_start, _Written)]
