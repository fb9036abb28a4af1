"""Options of detectors and rules: frozen dataclasses whose fields state their meaning and range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, Final, cast, get_args, get_type_hints

from pynomaly.domain.error import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Bound:
    """What an option means, and the closed range its number, or the words its text, must lie in."""

    help: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()


def option(
    default: float | str | bool | None,  # noqa: FBT001 - a default value, not a switch
    meaning: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one option: a dataclass field with a default, a sentence and a range or a choice of words.

    A default of None makes the option optional; its range then holds for given values.
    """
    return field(default=default, metadata={"bound": Bound(meaning, low, high, choices)})


@dataclass(frozen=True)
class Options:
    """Options of something that a flow can name; subclasses add fields made by `option`.

    Raises
    ------
    ConfigError
        On construction, naming every field of another type or outside its range; if there is none, every pair of
        fields that do not agree.
    """

    def __post_init__(self) -> None:
        kinds = _kinds(type(self))
        checked = (self._problem(item.name, kinds[item.name]) for item in fields(self))
        problems = [problem for problem in checked if problem is not None]
        problems = problems or list(self._conflicts())
        if problems:
            raise ConfigError(*problems)

    def _problem(self, name: str, kinds: tuple[type, ...]) -> Problem | None:
        value, bound = getattr(self, name), self.bound(name)
        if bound.choices:
            rule = None if value in bound.choices else " or ".join(bound.choices)
        elif not _is_of(kinds, value):
            rule = " or ".join(_WORDS[kind] for kind in kinds)
        elif isinstance(value, int | float) and not (math.isfinite(value) and bound.low <= value <= bound.high):
            rule = f"between {bound.low:g} and {bound.high:g}"
        else:
            rule = None
        return None if rule is None else Problem(name, f"must be {rule}, was {value!r}")

    def _conflicts(self) -> Iterator[Problem]:
        """Yield what is wrong between fields that are right one by one; subclasses say what."""
        yield from ()

    @classmethod
    def bound(cls, name: str) -> Bound:
        """Return the meaning and range of one option."""
        return cast("Bound", next(item for item in fields(cls) if item.name == name).metadata["bound"])


_WORDS: Final[dict[type, str]] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    NoneType: "none",
}


def _kinds(options: type[Options]) -> dict[str, tuple[type, ...]]:
    """Return the types that each field may have."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(options).items()}


def _is_of(kinds: tuple[type, ...], value: object) -> bool:
    """Tell whether a value has one of the types: a whole number is a number too, true and false are none."""
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (isinstance(value, int) and float in kinds)
