"""What one entry of `detectors` will do, in plain sentences."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from pynomaly.application.spec.cost import PYOD_COSTS, RIVER_COSTS
from pynomaly.application.spec.detect import (
    AdaptedDetectorPart,
    AdaptedPartSpec,
    LibraryPart,
    NativePart,
    PartSpec,
    PlacedPart,
    PyodPart,
    RiverPart,
    StepSpec,
)
from pynomaly.domain.calibrator import layout_of
from pynomaly.domain.option import Options

_MOST_NAMED: Final = 8


def explain_entry(parts: list[PlacedPart], unit: str) -> Iterator[str]:
    """Say what the parts of one entry look at, what counts for them, what they learn and what they cost.

    Parameters
    ----------
    parts
        All parts of the entry.
    unit
        What they score: `records` or `windows`.
    """
    states = [part for part in parts if part.has_state]
    spec, fields = parts[0].spec, tuple(chain.from_iterable(part.fields for part in states))
    seen = "one by one" if len(states) > 1 else "together" if len(fields) > 1 else ""
    yield f"{spec.title} looks at {named(fields)} {seen}".rstrip() + f": {_nature(spec, unit)}"
    if spec.facets:
        yield f"  It has the scores {named(spec.facets)}, each calibrated by itself."
    if isinstance(spec, NativePart):
        yield from (f"  {rule}" for rule in _rules(spec, unit))
    if spec.plugin is not None:
        yield f"  It comes from {spec.plugin.distribution} {spec.plugin.version}."
    if isinstance(spec, RiverPart) and spec.preprocessing:
        yield f"  Records go through {', then '.join(_step(step) for step in spec.preprocessing)} first."
    if isinstance(spec, LibraryPart) and spec.params:
        yield f"  Its arguments are {_arguments(spec.params)}."
    yield f"  {_memory(parts)}"


def bytes_of_part(part: PlacedPart) -> int:
    """Return what one part remembers of a series, without models of other libraries [bytes]."""
    spec, size = part.spec, 0
    if isinstance(spec, NativePart) and part.has_state:
        size = spec.native.layout(spec.options, len(part.fields)).bytes_per_series
    return size + layout_of(spec.calibration).bytes_per_series if _is_calibrated(spec) else size


def named(names: tuple[str, ...]) -> str:
    """List names, the first few of them if they are many."""
    shown = ", ".join(f"`{name}`" for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"


def _nature(spec: PartSpec, unit: str) -> str:
    match spec:
        case NativePart():
            return _told(spec.native.options)
        case AdaptedDetectorPart():
            return f"{_told(spec.adapted.options)} Scored in Python: slower than a native detector."
        case RiverPart():
            return f"River's {spec.river}, one model a series. {_cost(spec.river, RIVER_COSTS)}"
        case PyodPart():
            fitted = f"fitted on the last {spec.window:,} {unit} of each {spec.group_by}, every {spec.refit_every:,}"
            adopted = f"a fit takes over {spec.adopt_after:,} {unit} after its start"
            return f"PyOD's {spec.pyod}, {fitted} {unit}; {adopted}. {_cost(spec.pyod, PYOD_COSTS)}"
        case _:
            raise TypeError(f"entry {spec.title} must be native, adapted or of a library, was {type(spec).__name__}")


def _told(options: type[Options]) -> str:
    text = " ".join(inspect.cleandoc(options.__doc__ or "").split())
    summary, cost = text.partition(". ")[0].removesuffix("."), re.search(r"Cost [^:.,]+", text)
    return f"{summary[:1].lower()}{summary[1:]}." + (f" {cost[0]}." if cost else "")


def _cost(detector: str, costs: Mapping[str, str]) -> str:
    known = f", about {costs[detector]} each" if detector in costs else ""
    return f"Scored in Python{known}: slower than a native detector."


def _rules(spec: NativePart, unit: str) -> Iterator[str]:
    if spec.direction != "both":
        yield f"Only values {spec.direction} the expected one count."
    absolute, relative = spec.minimum_absolute, spec.minimum_relative
    smaller = [f"{absolute:g}"] * (absolute > 0) + [f"{relative:.6g} times its size"] * (relative > 0)
    if smaller:
        yield f"Deviations from the expected value that are smaller than {' or than '.join(smaller)} do not count."
    if spec.guard is not None:
        guard = spec.guard
        kept = f"{unit[:-1]} of severity {guard.severity:g} or more is not learned"
        yield f"A {kept}, for at most {guard.patience:,} in a row: then it is the new normal."


def _step(step: StepSpec) -> str:
    return f"{step.step}({_arguments(step.params)})"


def _arguments(params: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in params.items())


def _memory(parts: list[PlacedPart]) -> str:
    spec, size = parts[0].spec, sum(bytes_of_part(part) for part in parts)
    models = " besides its models" if isinstance(spec, AdaptedPartSpec) else ""
    warm_up = f"; knows severities after {spec.calibration.warm_up:,} scores" if _is_calibrated(spec) else ""
    return f"{size:,} bytes a series{models}{warm_up}."


def _is_calibrated(spec: PartSpec) -> bool:
    return not isinstance(spec, NativePart) or spec.native.scale == "raw"
