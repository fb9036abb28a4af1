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
    """Return transformers that have learned nothing.

    Raises
    ------
    ConfigError
        When one is unknown or unfit, or its arguments do not fit, naming it by its place.
    """
    return [_new_step(place, step) for place, step in enumerate(steps)]


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


def _new_step(place: int, step: Step) -> Any:
    path, params = f"preprocessing[{place}]", json_params(step.params)
    if step.name not in RIVER_STEPS:
        reason = f"; {_REFUSED[step.name]}" if step.name in _REFUSED else ""
        raise ConfigError(
            Problem(f"{path}.step", f"must be one of {', '.join(RIVER_STEPS)}, was {step.name!r}{reason}")
        )
    cls = step_class(step.name)
    known = list(inspect.signature(cls).parameters)
    unknown = [param for param in params if param not in known]
    if unknown:
        raise ConfigError(Problem(f"{path}.params", f"must be among {', '.join(known)}, was {unknown[0]!r}"))
    try:
        return cls(**params)
    except Exception as error:  # noqa: BLE001 - constructors raise what they like
        text = f"must suit River's {step.name}, was {params!r} ({type(error).__name__}: {error})"
        raise ConfigError(Problem(f"{path}.params", text)) from None
