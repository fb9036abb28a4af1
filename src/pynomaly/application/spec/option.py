"""Options of the domain as keys of a flow: their names, defaults, ranges and meanings are stated once, over there."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, cast, get_type_hints

from pydantic import Field, create_model

from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.section import ReadBy, Section
from pynomaly.domain.error import ConfigError
from pynomaly.domain.option import Options

OptionsT = TypeVar("OptionsT", bound=Options)


def option_key(kind: type[Options], name: str) -> Any:
    """Return the pydantic field of one option."""
    bound = kind.bound(name)
    default = next(option.default for option in fields(kind) if option.name == name)
    if default is MISSING:
        raise TypeError(f"option {name} of {kind.__name__} must have a default, had none")
    limits = {"ge": bound.low, "le": bound.high}
    finite = {side: limit for side, limit in limits.items() if math.isfinite(limit)}
    text = f"{bound.help[:1].upper()}{bound.help[1:]}."
    return Field(default=default, description=text, **cast("dict[str, Any]", finite))


def option_keys(kind: type[Options]) -> dict[str, Any]:
    """Return all options as definitions for `pydantic.create_model`."""
    hints = get_type_hints(kind)
    return {option.name: (hints[option.name], option_key(kind, option.name)) for option in fields(kind)}


def from_options(kind: type[Options], defaults: Options | None = None) -> ReadBy:
    """Annotate a field that holds ``kind``; the file says a mapping with its options as keys.

    Parameters
    ----------
    defaults
        What keys that are left out of the mapping say; None: their own defaults.
    """

    def read(given: object) -> Options:
        return given if isinstance(given, kind) else to_options(kind, section.model_validate(given))

    keys = option_keys(kind)
    for name, (_, key) in keys.items():
        key.default = key.default if defaults is None else getattr(defaults, name)
    section = create_model(kind.__name__, __base__=Section, __doc__=kind.__doc__, **keys)
    return ReadBy(read, section)


def or_off(kind: type[Options]) -> ReadBy:
    """Annotate a field that holds ``kind`` or None; the file says `off` (which YAML reads as false) for None."""
    inner = from_options(kind)

    def read(given: object) -> object:
        return None if given is False or given == "off" else inner.read(given)

    return ReadBy(read, inner.written | Literal["off", False])


def to_options(kind: type[OptionsT], section: Section) -> OptionsT:
    """Return the options that a section with their keys holds.

    Raises
    ------
    ValidationError
        When the options do not agree with each other.
    """
    given = {option.name: getattr(section, option.name) for option in fields(kind)}
    try:
        return kind(**given)
    except ConfigError as error:
        complaints = [Complaint((problem.path,), problem.rule) for problem in error.problems]
        raise as_validation_error(kind.__name__, complaints) from error
