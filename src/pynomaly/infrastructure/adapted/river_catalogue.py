"""The detectors of `river.anomaly` and `river.drift`, and how their scores become "non-negative, larger is stranger".

==========================  =================  ==============================  ===================================
model                       sees               unknown (NaN) until             strangeness from River's score ``s``
==========================  =================  ==============================  ===================================
GaussianScorer              one field as ``y`` ``grace_period`` records lie    ``-log10(1 - s)``: s is 2|CDF - 1/2|
                                               in its window (River: 0)        and packs the whole tail below 1
HalfSpaceTrees              all fields         the first window is full        ``-log10(1 - s)``: 1 - s is the mass
                                               (River: 0)                      of the record's region
LODA                        all fields         ``n_bins`` records              ``log(1 + e^s)``: s is a mean of -log
                                                                               densities, negative where dense
LocalOutlierFactor          all fields         ``n_neighbors`` + 1 records     s, around 1 for ordinary records
OneClassSVM                 all fields         the first record                ``log(1 + e^-m)``, margin m = s - (1 -
                                                                               intercept)
PredictiveAnomaly-          first field as     ``warmup_period``, at least one s, in [0, 1]; 1 is the most it says
Detection                   ``y``, others as
                            ``x``
StandardAbsoluteDeviation   one field as ``y`` 2 records                       s, in standard deviations
ADWIN, KSWIN, PageHinkley   one field          they have tested once           `river_drift`
==========================  =================  ==============================  ===================================

The maps are monotone, so rankings stay River's, with one exception: River returns OneClassSVM's raw product ``w.x``,
which is *large for records on the learned side* of the hyperplane (the inliers, as in scikit-learn's
``score_samples``), so its sign is turned. Being linear, it finds records towards or beyond the origin, never those
further out. ``1 - s`` is floored at 2**-53, the spacing of doubles below 1.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

from pynomaly.domain.error import ConfigError, Problem
from pynomaly.infrastructure.adapted.breaker import NoNumberError
from pynomaly.infrastructure.adapted.river_drift import (
    adwin_is_warm,
    adwin_statistic,
    kswin_is_warm,
    kswin_statistic,
    page_hinkley_is_warm,
    page_hinkley_statistic,
    updated,
)
from pynomaly.infrastructure.adapted.river_steps import Step, check_steps, learned, new_steps, transformed

_FLOOR = 2.0**-53

#: *features*: ``x`` holds all fields; *target*: ``y`` is the only field; *both*: ``y`` is the first, ``x`` the others;
#: *stream*: the only field, which a drift detector learns and judges in one step.
Sees = Literal["features", "target", "both", "stream"]


@dataclass(frozen=True, slots=True)
class RiverKind:
    """How one River model is fed and read.

    Parameters
    ----------
    sees
        What it takes.
    is_warm
        ``(model, records learned) -> bool``: whether its score means anything yet; of a drift detector the record that
        is judged counts.
    strangeness
        ``(model, River's score) -> float``: the contract's score. A drift detector has no score, but a state.
    libraries
        Distributions whose version shapes the scores.
    """

    sees: Sees
    is_warm: Callable[[Any, int], bool]
    strangeness: Callable[[Any, float], float]
    libraries: tuple[str, ...] = ("river",)

    @property
    def module(self) -> str:
        """Where its class is."""
        return "river.drift" if self.sees == "stream" else "river.anomaly"

    @property
    def takes_one_field(self) -> bool:
        """Whether it sees a single value."""
        return self.sees in {"target", "stream"}


def _as_it_is(_model: Any, score: float) -> float:
    return score


def _tail(_model: Any, score: float) -> float:
    return -math.log10(max(1.0 - score, _FLOOR))


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _density(_model: Any, score: float) -> float:
    return _softplus(score)


def _margin(model: Any, score: float) -> float:
    return _softplus(1.0 - model.intercept - score)


def _gaussian_is_warm(model: Any, _records: int) -> bool:
    return bool(model.gaussian.n_samples >= max(model.grace_period, 2))


RIVER_KINDS: Final[dict[str, RiverKind]] = {
    "GaussianScorer": RiverKind("target", _gaussian_is_warm, _tail),
    "HalfSpaceTrees": RiverKind("features", lambda model, n: n >= model.window_size, _tail),
    "LODA": RiverKind("features", lambda model, n: n >= model.n_bins, _density),
    "LocalOutlierFactor": RiverKind("features", lambda model, n: n > model.n_neighbors, _as_it_is),
    "OneClassSVM": RiverKind("features", lambda _model, n: n > 0, _margin),
    "PredictiveAnomalyDetection": RiverKind("both", lambda model, n: n >= max(model.warmup_period, 1), _as_it_is),
    "StandardAbsoluteDeviation": RiverKind("target", lambda _model, n: n > 1, _as_it_is),
    "ADWIN": RiverKind("stream", adwin_is_warm, adwin_statistic),
    "KSWIN": RiverKind("stream", kswin_is_warm, kswin_statistic, ("river", "scipy")),
    "PageHinkley": RiverKind("stream", page_hinkley_is_warm, page_hinkley_statistic),
}

_WRAPPER = "it wraps another detector to threshold it, which the flow's calibration and alert levels do already"
_BINARY = "it counts the errors of a classifier, and fields are numbers"
_REFUSED: Final = {
    **dict.fromkeys(("QuantileFilter", "ThresholdFilter"), _WRAPPER),
    **dict.fromkeys(("DDM", "EDDM", "FHDDM", "HDDMA", "HDDMW"), _BINARY),
    **dict.fromkeys(("DummyDriftDetector", "NoDrift"), "it does not look at the values"),
    "DriftRetrainingClassifier": "it is a classifier",
}


def river_kind(name: str) -> RiverKind:
    """Look a model up.

    Raises
    ------
    ConfigError
        When it is unknown or unfit, with the names there are.
    """
    kind = RIVER_KINDS.get(name)
    if kind is not None:
        return kind
    reason = f"; {_REFUSED[name]}" if name in _REFUSED else ""
    raise ConfigError(Problem("river", f"must be one of {', '.join(RIVER_KINDS)}, was {name!r}{reason}"))


def river_class(name: str) -> type[Any]:
    """Import the class of a model of `RIVER_KINDS`.

    Raises
    ------
    ConfigError
        When River is missing or too old to have it.
    """
    try:
        module = import_module(RIVER_KINDS[name].module)
    except ImportError as error:
        raise ConfigError(Problem("river", f"needs River: pip install river ({error})")) from None
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        raise ConfigError(Problem("river", f"{name} must be part of the installed River, was not: update river"))
    return found


def check_river(name: str, params: Mapping[str, object], fields: tuple[str, ...], steps: Sequence[Step] = ()) -> None:
    """Check a model, its parameters, its fields and what comes before it by making them and feeding two records.

    Raises
    ------
    ConfigError
        Saying which names or parameters exist.
    """
    kind, cls = river_kind(name), river_class(name)
    known = list(inspect.signature(cls).parameters)
    unknown = [param for param in params if param not in known]
    if unknown:
        raise ConfigError(*(Problem("params", f"must be among {', '.join(known)}, was {param!r}") for param in unknown))
    if kind.takes_one_field and len(fields) != 1:
        raise ConfigError(Problem("fields", f"must be one field, was {len(fields)}: it sees a single value"))
    check_steps(steps)
    try:
        chain = (*new_steps(steps), cls(**params))
        for value in (0.0, 1.0):
            learn(kind, chain, fields, [value] * len(fields))
        with contextlib.suppress(ArithmeticError):
            score(kind, chain, 2, fields, [0.5] * len(fields))
    except Exception as error:  # noqa: BLE001 - River checks nothing, so a bad value fails anywhere inside
        text = f"must suit River's {name}, was {dict(params)!r} ({type(error).__name__}: {error})"
        raise ConfigError(Problem("params", text)) from None


def score(kind: RiverKind, chain: Sequence[Any], records: int, fields: tuple[str, ...], values: list[float]) -> float:
    """Return the strangeness of a record before it is learned, NaN while the model knows too little.

    Parameters
    ----------
    kind
        Of the model.
    chain
        The transformers in their order, and the model.
    records
        How many it has learned.
    fields, values
        The record.

    Raises
    ------
    ArithmeticError
        Where a square leaves the range of doubles, or the model's answer is NaN.
    Exception
        Whatever else the model raises.
    """
    *transformers, model = chain
    if kind.sees == "stream":
        updated(model, transformed(transformers, fields, values)[0])
        records += 1
    if not kind.is_warm(model, records):
        return math.nan
    said = math.nan
    if kind.sees != "stream":
        seen = transformed(transformers, fields, values)
        said = float(model.score_one(*_arguments(kind.sees, fields, seen)))
    strangeness = kind.strangeness(model, said)
    if math.isnan(strangeness):
        raise NoNumberError("the score must be a number, was nan")
    return min(strangeness, sys.float_info.max)


def learn(kind: RiverKind, chain: Sequence[Any], fields: tuple[str, ...], values: list[float]) -> None:
    """Learn a record, as far as the arithmetic reaches: one absurd value must not stop a stream."""
    *transformers, model = chain
    with contextlib.suppress(ArithmeticError):
        seen = learned(transformers, fields, values)
        if kind.sees != "stream":  # which has learned it with judging it
            model.learn_one(*_arguments(kind.sees, fields, seen))


def _arguments(sees: Sees, fields: tuple[str, ...], values: list[float]) -> tuple[Any, ...]:
    if sees == "features":
        return (dict(zip(fields, values, strict=True)),)
    if sees == "target":
        return None, values[0]
    return dict(zip(fields[1:], values[1:], strict=True)), values[0]
