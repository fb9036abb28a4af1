"""Durations as operators write them: `250ms`, `30s`, `5m`, `1h`, `2d`, or a number of seconds."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from pynomaly.domain.windows.plan import DAY_NS, LONGEST_NS

SECOND_NS: Final = 1_000_000_000

#: Units from the largest to the smallest [ns].
_UNITS_NS: Final = {"d": DAY_NS, "h": 3_600 * SECOND_NS, "m": 60 * SECOND_NS, "s": SECOND_NS, "ms": 1_000_000}
DURATION_PATTERN: Final = r"^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?$"
_RULE: Final = "must be a duration such as 250ms, 30s, 5m, 1h or 2d"


def parse_duration(given: object) -> int:
    """Return a duration in nanoseconds; a number without a unit is in seconds.

    Raises
    ------
    ValueError
        When it is no duration, or longer than 366 days.

    Examples
    --------
    >>> parse_duration("1.5m"), parse_duration(0.25)
    (90000000000, 250000000)
    """
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(_RULE)  # noqa: TRY004 - pydantic collects ValueErrors
    match = re.match(DURATION_PATTERN, str(given).strip())
    if match is None:
        raise ValueError(_RULE)
    number, unit = match.groups()
    duration_ns = int((Decimal(number) * _UNITS_NS[unit or "s"]).to_integral_value())
    if duration_ns > LONGEST_NS:
        raise ValueError("must be at most 366d")
    return duration_ns


def duration_text(duration_ns: int) -> str:
    """Return the shortest exact text of a duration.

    Examples
    --------
    >>> duration_text(5_400_000_000_000), duration_text(0), duration_text(1_500)
    ('90m', '0s', '0.0000015s')
    """
    for unit, unit_ns in _UNITS_NS.items():
        if duration_ns and duration_ns % unit_ns == 0:
            return f"{duration_ns // unit_ns}{unit}"
    return f"{(Decimal(duration_ns) / SECOND_NS).normalize():f}s"


def _positive(given: object) -> int:
    duration_ns = parse_duration(given)
    if duration_ns == 0:
        raise ValueError("must be longer than nothing")
    return duration_ns


# The constraint describes the written form only: the validators see the text, the field holds nanoseconds.
_Written = Annotated[str, Field(pattern=DURATION_PATTERN)] | Annotated[float, Field(ge=0)]
_TEXT = PlainSerializer(duration_text, return_type=str)

#: Nanoseconds, longer than nothing.
Duration = Annotated[int, BeforeValidator(_positive, json_schema_input_type=_Written), _TEXT]
#: Nanoseconds, possibly none.
DurationOrZero = Annotated[int, BeforeValidator(parse_duration, json_schema_input_type=_Written), _TEXT]


def duration_key(key: str, default: str) -> Any:
    """Return the pydantic field of an optional duration: its key in the file, and its default as written there."""
    return Field(alias=key, default=parse_duration(default), json_schema_extra={"default": default})
