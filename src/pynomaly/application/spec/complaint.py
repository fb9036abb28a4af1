"""Complaints about a flow in the words of operators, with their path and without their secrets."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from pynomaly.application.spec.section import UnknownKey
from pynomaly.domain.error import Problem

Path = tuple[str | int, ...]

_NOTHING: Final = object()
_LONGEST_SHOWN: Final = 80
_HIDDEN: Final = frozenset({"client", "security"})  # sections whose values may be secrets


@dataclass(frozen=True, slots=True)
class Complaint:
    """One broken rule.

    Parameters
    ----------
    path
        Where in the flow, as keys and indices.
    rule
        What must hold there, beginning with "must".
    was
        What stands there instead; left out where showing it says nothing.
    meant
        Known key that an unknown one probably stands for.
    """

    path: Path
    rule: str
    was: object = _NOTHING
    meant: str | None = None

    @property
    def places(self) -> tuple[Path, ...]:
        """Paths of which nothing is known: where it is wrong, and where it was probably meant to stand."""
        return (self.path,) if self.meant is None else (self.path, (*self.path[:-1], self.meant))

    def problem(self, origins: Mapping[Path, str]) -> Problem:
        """Put it into words; a value that came from ``origins`` or may be a secret is not shown."""
        return Problem(path_text(self.path), self.rule + self._was(origins))

    def _was(self, origins: Mapping[Path, str]) -> str:
        if self.was is _NOTHING:
            return ""
        if self.path in origins:
            return f", was the content of {origins[self.path]}"
        is_secret = not _HIDDEN.isdisjoint(self.path) or self.path[-1:] == ("password",)
        return ", was a hidden value" if is_secret else f", was {_shown(self.was)}"


def path_text(path: Path) -> str:
    """Return a path as operators write it: ``detectors[1].half_life``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "flow file"


def one_of(word: object, known: Sequence[str]) -> str:
    """Return the rule that a word is one of those known, with the one that was probably meant."""
    meant = _closest(word, known)
    asked = "" if meant is None else f" (did you mean {meant}?)"
    return f"must be {'one of ' if len(known) > 1 else ''}{', '.join(known)}{asked}"


def _closest(word: object, known: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(str(word), known, 1)), None)


def as_validation_error(title: str, complaints: Iterable[Complaint]) -> ValidationError:
    """Return complaints as what a pydantic validator may raise, each at its own path below the validated value."""
    lines = [
        InitErrorDetails(
            # A template would read braces in the rule as fields, so the rule travels as a value.
            type=PydanticCustomError("rule", "{rule}", {"rule": complaint.rule}),
            loc=complaint.path,
            input=complaint.was,
        )
        for complaint in complaints
    ]
    return ValidationError.from_exception_data(title, lines)


def complaints_of(error: ValidationError, tree: object) -> list[Complaint]:
    """Return what pydantic found wrong with ``tree``."""
    return [_complaint(details, tree) for details in error.errors(include_url=False) if not _is_echo(details)]


def _is_echo(details: ErrorDetails) -> bool:
    """Tell a list that is too short only because its bad entries, reported on their own, do not count."""
    return details["type"] == "too_short" and len(details["input"]) >= details.get("ctx", {})["min_length"]


def _complaint(details: ErrorDetails, tree: object) -> Complaint:
    path, kind, was = _without_tags(details["loc"], tree), details["type"], details["input"]
    if isinstance(was, UnknownKey):
        return _unknown_key(path, was)
    if kind == "missing":
        return Complaint(path, "must be given")
    if kind == "union_tag_invalid":
        path, was = (*path, "kind"), was["kind"]
    return Complaint(path, _rule(details), was)


def _unknown_key(path: Path, unknown: UnknownKey) -> Complaint:
    if unknown.reason:
        return Complaint(path, f"must be left out: {unknown.reason}")
    rule = one_of(path[-1], unknown.known).replace("must be", "must be a known key:", 1)
    return Complaint(path, rule, meant=_closest(path[-1], unknown.known))


def _without_tags(loc: Path, tree: object) -> Path:
    """Drop the steps by which pydantic names the chosen kind of a union: they are no keys of the file."""
    path: list[str | int] = []
    node = tree
    for step in loc:
        if isinstance(node, Mapping):
            mapping = cast("Mapping[str | int, object]", node)
            if step not in mapping and mapping.get("kind") == step:
                continue
            node = mapping.get(step)
        elif isinstance(node, list | tuple) and isinstance(step, int):
            node = cast("Sequence[object]", node)[step]
        path.append(step)
    return tuple(path)


def _rule(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    say = _RULES.get(details["type"])
    return f"must be valid: {details['msg']}" if say is None else say(context, details["input"])


def _fixed(rule: str) -> Callable[[Mapping[str, Any], object], str]:
    return lambda context, _: rule.format_map(context)


def _expected(context: Mapping[str, Any], was: object) -> str:
    words = context.get("expected", context.get("expected_tags", ""))
    return one_of(was["kind"] if isinstance(was, dict) else was, _quoted(words))


def _quoted(words: str) -> list[str]:
    return words.replace(" or ", ", ").replace("'", "").split(", ")


#: How each of pydantic's errors reads in the house's words.
_RULES: Final[dict[str, Callable[[Mapping[str, Any], object], str]]] = {
    "rule": _fixed("{rule}"),
    "value_error": _fixed("{error}"),
    "greater_than_equal": _fixed("must be at least {ge:g}"),
    "greater_than": _fixed("must be greater than {gt:g}"),
    "less_than_equal": _fixed("must be at most {le:g}"),
    "less_than": _fixed("must be less than {lt:g}"),
    "finite_number": _fixed("must be a finite number"),
    "float_type": _fixed("must be a number"),
    "float_parsing": _fixed("must be a number"),
    "int_type": _fixed("must be a whole number"),
    "int_parsing": _fixed("must be a whole number"),
    "int_parsing_size": _fixed("must be a whole number of ordinary size"),
    "int_from_float": _fixed("must be a whole number"),
    "bool_type": _fixed("must be true or false"),
    "bool_parsing": _fixed("must be true or false"),
    "string_type": _fixed("must be text (put it in quotes)"),
    "string_too_short": _fixed("must not be empty"),
    "string_too_long": _fixed("must have at most {max_length} characters"),
    "string_pattern_mismatch": _fixed("must match {pattern}"),
    "literal_error": _expected,
    "union_tag_invalid": _expected,
    "too_short": _fixed("must have at least {min_length} entries"),
    "too_long": _fixed("must have at most {max_length} entries"),
    "tuple_type": _fixed("must be a list"),
    "dict_type": _fixed("must be a mapping"),
    "model_type": _fixed("must be a mapping"),
    "model_attributes_type": _fixed("must be a mapping"),
    "invalid_key": _fixed("must be text (put the key in quotes)"),
    "timezone_aware": _fixed("must carry an offset, such as Z"),
    "datetime_type": _fixed("must be a moment such as 2024-01-31T00:00:00Z"),
    "datetime_parsing": _fixed("must be a moment such as 2024-01-31T00:00:00Z"),
    "datetime_from_date_parsing": _fixed("must be a moment such as 2024-01-31T00:00:00Z"),
}


def _shown(value: object) -> str:
    """Return a scalar as a file would write it; what holds other values is only named."""
    match value:
        case None:
            text = "nothing"
        case str():
            text = repr(value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}...")
        case bool():
            text = str(value).lower()
        case int() | float():
            text = f"{value:.12g}"
        case Mapping():
            text = "a mapping"
        case _:
            text = "a list" if isinstance(value, list | tuple) else str(value)
    return text
