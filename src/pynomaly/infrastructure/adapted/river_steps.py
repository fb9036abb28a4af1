"""Transformers of `river.preprocessing` before a detector of River.

Each sees what those before it made of the record. A record is scored on what they knew before it; then it is learned by
each in turn and transformed by what it knows now, as River's own pipelines learn.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pynomaly.domain.error import ConfigError, Problem
from pynomaly.infrastructure.adapted.origin import json_params


@dataclass(frozen=True, slots=True)
class Step:
    """A transformer by its class in `river.preprocessing`, and its arguments."""

    name: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])

    def as_json(self) -> dict[str, object]:
        """Return what of it decides about scores."""
        return {"step": self.name, "params": json_params(self.params)}


#: Those that turn numbers into as many numbers under the same names.
RIVER_STEPS: Final = (
    "AdaptiveStandardScaler",
    "MaxAbsScaler",
    "MinMaxScaler",
    "Normalizer",
    "RobustScaler",
    "StandardScaler",
)
_NOT_NUMBERS = "it is for words and categories, and fields are numbers"
_NO_TARGET = "it wraps a regressor"
_NEVER_MISSING = "a record without a number in one of its fields never reaches a detector"
_FUNCTIONS = "it keeps functions in its state, which saved state does not hold"
_REFUSED: Final = {
    **dict.fromkeys(("FeatureHasher", "GapEncoder", "LDA", "OneHotEncoder", "OrdinalEncoder"), _NOT_NUMBERS),
    **dict.fromkeys(("PredClipper", "TargetMinMaxScaler", "TargetStandardScaler"), _NO_TARGET),
    **dict.fromkeys(("PreviousImputer", "StatImputer"), _NEVER_MISSING),
    **dict.fromkeys(("GaussianRandomProjector", "SparseRandomProjector"), _FUNCTIONS),
    "Binarizer": "it leaves two values, of which no detector here makes a score",
}


def new_steps(steps: Sequence[Step]) -> list[Any]:
    """Return transformers that have learned nothing."""
    return [step_class(step.name)(**step.params) for step in steps]


def check_steps(steps: Sequence[Step]) -> None:
    """Check every transformer and its arguments by making it and feeding two records.

    Raises
    ------
    ConfigError
        Naming it by its place, and saying which names or parameters exist.
    """
    for place, step in enumerate(steps):
        _check_step(f"preprocessing[{place}]", step)


def transformed(transformers: Sequence[Any], fields: tuple[str, ...], values: list[float]) -> list[float]:
    """Return what a record is after all of them, as they are."""
    if not transformers:
        return values
    x = dict(zip(fields, values, strict=True))
    for transformer in transformers:
        x = transformer.transform_one(x)
    return [float(x[name]) for name in fields]


def learned(transformers: Sequence[Any], fields: tuple[str, ...], values: list[float]) -> list[float]:
    """Let each learn what those before it make of a record; return what it is after all of them."""
    for transformer in transformers:
        transformer.learn_one(dict(zip(fields, values, strict=True)))
        values = transformed((transformer,), fields, values)
    return values


def step_class(name: str) -> type[Any]:
    """Import the class of a transformer of `RIVER_STEPS`."""
    from river import preprocessing  # noqa: PLC0415 - heavy, and optional at run time

    found: type[Any] = getattr(preprocessing, name)
    return found


def _check_step(path: str, step: Step) -> None:
    if step.name not in RIVER_STEPS:
        reason = f"; {_REFUSED[step.name]}" if step.name in _REFUSED else ""
        rule = f"must be one of {', '.join(RIVER_STEPS)}, was {step.name!r}{reason}"
        raise ConfigError(Problem(f"{path}.step", rule))
    known, params = list(inspect.signature(step_class(step.name)).parameters), json_params(step.params)
    unknown = [param for param in params if param not in known]
    if unknown:
        raise ConfigError(Problem(f"{path}.params", f"must be among {', '.join(known)}, was {unknown[0]!r}"))
    try:
        transformers = new_steps([step])
        for value in (1.0, 2.0):
            learned(transformers, ("value",), [value])
    except Exception as error:  # noqa: BLE001 - River checks nothing, so a bad value fails anywhere inside
        text = f"must suit River's {step.name}, was {params!r} ({type(error).__name__}: {error})"
        raise ConfigError(Problem(f"{path}.params", text)) from None
