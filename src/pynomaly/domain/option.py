"""Options of detectors and rules: frozen dataclasses whose fields state their meaning and range."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, cast

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
        On construction, naming every field outside its range.
    """

    def __post_init__(self) -> None:
        problems = [problem for item in fields(self) if (problem := self._problem(item.name)) is not None]
        if problems:
            raise ConfigError(*problems)

    def _problem(self, name: str) -> Problem | None:
        value, bound = getattr(self, name), self.bound(name)
        if bound.choices and value not in bound.choices:
            return Problem(name, f"must be {' or '.join(bound.choices)}, was {value!r}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if math.isfinite(value) and bound.low <= value <= bound.high:
            return None
        return Problem(name, f"must be between {bound.low:g} and {bound.high:g}, was {value!r}")

    @classmethod
    def bound(cls, name: str) -> Bound:
        """Return the meaning and range of one option."""
        return cast("Bound", next(item for item in fields(cls) if item.name == name).metadata["bound"])
