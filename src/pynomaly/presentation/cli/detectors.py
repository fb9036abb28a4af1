"""`pynomaly detectors`: which there are, what they catch and what their options mean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from pynomaly.presentation.cli.parameter import AsJson

if TYPE_CHECKING:
    from pynomaly.domain.detectors import DetectorDescription, OptionDescription

_OURS = "pynomaly"
_ADAPTED = "Detectors of River and PyOD run too: `river: <class>` or `pyod: <class>` in a flow."


def list_detectors(as_json: AsJson = False) -> None:
    """List the detectors that flows can name, those of installed plug-ins included."""
    from pynomaly.application.plugin import Plugin
    from pynomaly.application.spec.plugin_part import plugins
    from pynomaly.domain.detectors import describe_all
    from pynomaly.presentation.cli.result import print_json, print_rich

    offered = plugins()
    listed = [(one, _OURS) for one in describe_all()]
    listed += [(one.describe(), one.origin) for one in offered if isinstance(one, Plugin)]
    broken = [one for one in offered if not isinstance(one, Plugin)]
    if as_json:
        faults = [{"name": one.name, "problem": one.problem} for one in broken]
        print_json({"detectors": [_as_json(*one) for one in listed], "broken_plugins": faults})
        return
    from rich.table import Table

    table = Table("detector", "looks at", "bytes a series", "what it does", box=None, pad_edge=False)
    for one, origin in listed:
        from_elsewhere = "" if origin == _OURS else f" ({origin})"
        table.add_row(one.name, _inputs(one), _size(one), f"{one.summary}{from_elsewhere}")
    print_rich(table, f"\n{_ADAPTED}")
    print_rich(*(f"Not usable: {one.name} {one.problem}" for one in broken), soft_wrap=True)


def show_detector(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the detector.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Say what a detector catches, when it fails, and what its options mean."""
    from pynomaly.presentation.cli.result import print_json

    described, origin = _find(name)
    if as_json:
        print_json(_as_json(described, origin))
    else:
        _print_description(described, origin)


def _find(name: str) -> tuple[DetectorDescription, str]:
    from pynomaly.application.plugin import plugin_names
    from pynomaly.application.spec.complaint import one_of
    from pynomaly.application.spec.plugin_part import plugin_part
    from pynomaly.domain.detectors import describe_all
    from pynomaly.domain.error import ConfigError, Problem

    by_name = {one.name: one for one in describe_all()}
    if name in by_name:
        return by_name[name], _OURS
    part = plugin_part(name)
    if part is None or part.plugin is None:
        raise ConfigError(Problem("NAME", f"{one_of(name, (*by_name, *plugin_names()))}, was {name!r}"))
    plugin = part.plugin
    return plugin.describe(), plugin.origin


def _print_description(described: DetectorDescription, origin: str) -> None:
    from rich.table import Table

    from pynomaly.presentation.cli.result import print_rich, print_text

    print_text(f"{described.name}: {described.summary}\n\n{described.details}\n")
    size = _size(described)
    costs = f"; {size} bytes a series with default options" if size else ""
    print_text(f"Looks at {_inputs(described)}{costs}.\n" + ("" if origin == _OURS else f"From {origin}.\n"))
    table = Table("option", "default", "range", "meaning", box=None, pad_edge=False)
    for option in described.options:
        table.add_row(option.name, _word(option.default), _range(option), option.meaning)
    print_rich(table)


def _size(described: DetectorDescription) -> str:
    return "" if described.bytes_per_series is None else f"{described.bytes_per_series:,}"


def _inputs(described: DetectorDescription) -> str:
    return "all fields together" if described.takes_vector else "one field"


def _range(option: OptionDescription) -> str:
    if option.choices:
        return " or ".join(option.choices)
    if isinstance(option.default, bool):
        return "true or false"
    ends = (option.low, option.high)
    return "" if all(map(math.isinf, ends)) else " to ".join(f"{end:g}" for end in ends)


def _word(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _as_json(described: DetectorDescription, origin: str) -> dict[str, object]:
    return {
        "name": described.name,
        "origin": origin,
        "summary": described.summary,
        "details": described.details,
        "scale": described.scale,
        "takes_vector": described.takes_vector,
        "bytes_per_series": described.bytes_per_series,
        "options": [_option_as_json(option) for option in described.options],
    }


def _option_as_json(option: OptionDescription) -> dict[str, object]:
    return {
        "name": option.name,
        "meaning": option.meaning,
        "default": option.default,
        "low": option.low if math.isfinite(option.low) else None,
        "high": option.high if math.isfinite(option.high) else None,
        "choices": list(option.choices),
    }
