"""Keys of a flow that take other values: which, and from where to where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from pynomaly.application.spec.adhoc import scalar
from pynomaly.domain.error import ConfigError, Problem

Value = float | int | str | bool | None
Tree = dict[str, object]

_FORM: Final = "must be KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A|B|C"


@dataclass(frozen=True, slots=True)
class Variation:
    """One key, and the values that it may take.

    Parameters
    ----------
    key
        Where it stands in the flow: names and, in lists, numbers from 0, with dots between.
    low, high
        Ends of the range, both included; of whole numbers only whole ones are drawn.
    is_log
        Whether equal ratios are equally likely, instead of equal differences.
    choices
        Words or numbers to choose among instead of a range.
    """

    key: str
    low: float = math.nan
    high: float = math.nan
    is_log: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def extremes(self) -> tuple[Value, ...]:
        """What a flow must accept for it to accept all between."""
        return self.choices or (self.low, self.high)

    def draw(self, random: np.random.Generator) -> Value:
        """Draw one of its values; numbers of a range have four digits, which nobody minds to read in a flow."""
        if self.choices:
            return self.choices[int(random.integers(len(self.choices)))]
        if isinstance(self.low, int) and isinstance(self.high, int):
            # A whole number is as likely as what is rounded to it: the ends are no rarer than what lies between.
            whole = round(self._between(self.low - 0.5, self.high + 0.5, random))
            return min(max(whole, self.low), self.high)
        drawn = float(f"{self._between(self.low, self.high, random):.4g}")
        return min(max(drawn, self.low), self.high)

    def _between(self, low: float, high: float, random: np.random.Generator) -> float:
        if not self.is_log:
            return float(random.uniform(low, high))
        return float(np.exp(random.uniform(math.log(low), math.log(high))))


def variation(text: str) -> Variation:
    """Read what `--vary` says.

    Raises
    ------
    ConfigError
        When it has another form, or its ends are no range.

    Examples
    --------
    >>> variation("detectors.0.half_life=100..10000:log")
    Variation(key='detectors.0.half_life', low=100, high=10000, is_log=True, choices=())
    >>> variation("detectors.0.tier=light|standard").choices
    ('light', 'standard')
    """
    key, equals, given = text.partition("=")
    key, given = key.strip(), given.strip()
    if not key or not equals or not given:
        raise _wrong(text)
    if ".." not in given:
        choices = tuple(cast("Value", scalar(word.strip())) for word in given.split("|"))
        if len(choices) < 2:
            raise _wrong(text)
        return Variation(key, choices=choices)
    ends, _, scale = given.partition(":")
    low, high = (scalar(end.strip()) for end in ends.split("..", maxsplit=1))
    if scale not in ("", "log") or not _is_number(low) or not _is_number(high):
        raise _wrong(text)
    first, last = cast("float", low), cast("float", high)
    if first >= last:
        raise ConfigError(Problem("--vary", f"must begin below its end, was {text!r}"))
    if scale and first <= 0:
        raise ConfigError(Problem("--vary", f"must begin above 0 to be divided by ratios, was {text!r}"))
    return Variation(key, first, last, is_log=bool(scale))


def changed(tree: Mapping[str, object], values: Mapping[str, object]) -> Tree:
    """Return a flow's tree with other values of some keys; sections that are missing on the way there are made.

    Parameters
    ----------
    tree
        Sections of a flow as its file says them; it stays as it is.
    values
        By their keys, as `Variation` has them.

    Raises
    ------
    ConfigError
        When a key leads to nothing: the flow itself says which keys there are, but not which list entries.
    """
    made: Tree = dict(tree)
    for key, value in values.items():
        made = cast("Tree", _with(made, key.split("."), value, key))
    return made


def _with(node: object, path: Sequence[str], value: object, key: str) -> object:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(node, Sequence) and not isinstance(node, str):
        entries = list(cast("Sequence[object]", node))
        if not step.isdecimal() or int(step) >= len(entries):
            rule = f"must name an entry from 0 to {len(entries) - 1} in {key!r}, was {step!r}"
            raise ConfigError(Problem("--vary", rule))
        entries[int(step)] = _with(entries[int(step)], rest, value, key)
        return entries
    if isinstance(node, str):  # an entry of `detectors` that is a name and nothing else
        node = {"detector": node}
    if node is not None and not isinstance(node, Mapping):
        raise ConfigError(Problem("--vary", f"must lead to a value, did not: {key!r} goes on behind {node!r}"))
    section = cast("Mapping[str, object]", node or {})
    return {**section, step: _with(section.get(step), rest, value, key)}


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)


def _wrong(text: str) -> ConfigError:
    return ConfigError(Problem("--vary", f"{_FORM}, was {text!r}"))
