"""Detectors of other distributions, found by their entry points.

A distribution offers a detector under its name in the entry-point group `GROUP`; what the entry point leads to is a
`Detector` or an `AdaptedDetector`. The number in the group is that of the seam: what a detector is made of here, and
how the engine calls it. It rises when a detector written before would not work any more, so a detector of another
number is told without importing it, and a distribution may serve two of them from two groups.

No plug-in can alter what a flow does that does not name it: its own names go first, and nothing is looked up, let
alone imported, until a name is none of those or somebody asks for the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from typing import Any, Final

from pynomaly.domain.adapted import AdaptedDetector
from pynomaly.domain.detectors import NATIVE_DETECTORS, Detector, DetectorDescription, describe
from pynomaly.domain.detectors.auto import NAME as AUTO
from pynomaly.domain.detectors.description import described
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.jit import source_of
from pynomaly.domain.layout import Layout
from pynomaly.domain.option import Options

SEAM_VERSION: Final = 1
_GROUPS: Final = "pynomaly.detectors.v"
GROUP: Final = f"{_GROUPS}{SEAM_VERSION}"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A detector with where it comes from; both decide about scores.

    Parameters
    ----------
    detector
        What the entry point leads to.
    distribution, version
        Of the distribution that offers it, as `pip` names them.
    """

    detector: Detector | AdaptedDetector
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """Distribution and version in one word, as a requirement says them."""
        return f"{self.distribution}=={self.version}"

    def describe(self) -> DetectorDescription:
        """Describe the detector under its default options."""
        detector = self.detector
        if isinstance(detector, Detector):
            return describe(detector)
        options, sees_all = detector.options(), detector.takes_vector
        return described(detector.name, options, "raw", takes_vector=sees_all, bytes_per_series=None)


def plugin_names() -> tuple[str, ...]:
    """Name the detectors that installed distributions offer, for any seam, sorted; none is imported."""
    return tuple(sorted({entry.name for entry in _entries()}))


def find_plugin(name: str) -> Plugin | None:
    """Import the detector that an installed distribution offers under a name; None: there is none.

    Raises
    ------
    ConfigError
        When it is not fit for use, naming the distribution and what to do.
    """
    named = [entry for entry in _entries() if entry.name == name]
    fitting = [entry for entry in named if entry.group == GROUP]
    if named and name in {AUTO, *NATIVE_DETECTORS}:
        raise _refusal(
            f"must not be called like a detector of pynomaly, was in {_origin(named[0])}: flows that name {name} get "
            f"pynomaly's; ask its maintainers for another name, or pip uninstall {_distribution(named[0])}"
        )
    if len(fitting) == 1:
        return _load(fitting[0])
    if fitting:
        both = " and ".join(sorted(_origin(entry) for entry in fitting))
        raise _refusal(f"must be offered by one distribution, was by {both}: uninstall all but one")
    if named:
        seams = ", ".join(sorted(entry.group.removeprefix(_GROUPS) for entry in named))
        raise _refusal(
            f"must be made for detector seam {SEAM_VERSION}, was for seam {seams} in {_origin(named[0])}: install "
            f"versions of {_distribution(named[0])} and of pynomaly-streaming that fit each other"
        )
    return None


def _entries() -> Iterator[metadata.EntryPoint]:
    """Yield the detectors on offer; of a distribution that lies on the path twice those of the first, as imports do."""
    seen = set[tuple[str, str, str]]()
    for distribution in metadata.distributions():
        for entry in distribution.entry_points:
            if not entry.group.startswith(_GROUPS):
                continue
            key = (distribution.name.lower(), entry.group, entry.name)
            if key not in seen:
                seen.add(key)
                yield entry


@cache
def _load(entry: metadata.EntryPoint) -> Plugin:
    try:
        found = entry.load()
    except Exception as error:  # a module of somebody else raises what it likes
        cause = f"{type(error).__name__}: {error}"
        raise _refusal(
            f"must be importable, was not: {entry.value} of {_origin(entry)} raised {cause}; repair that "
            f"distribution or take it away (pip uninstall {_distribution(entry)})"
        ) from error
    rule = next(_broken_rules(entry.name, found), None)
    if rule is not None:
        told = f"{rule}, in {entry.value} of {_origin(entry)}: tell its maintainers, or pip uninstall"
        raise _refusal(f"{told} {_distribution(entry)}")
    return Plugin(found, _distribution(entry), "unknown" if entry.dist is None else entry.dist.version)


def _broken_rules(name: str, found: object) -> Iterator[str]:
    """Yield what is wrong with an object that shall be a detector; each rule may rest on those before it."""
    if not isinstance(found, Detector | AdaptedDetector):
        yield f"must lead to a Detector or an AdaptedDetector, was {type(found).__name__}"
        return
    if found.name != name or _NAME.fullmatch(name) is None:
        yield f"must have the name of its entry point in small letters, digits and _, was {found.name!r}"
    if not _is_kind_of_options(found.options):
        yield f"must have a subclass of Options as its options, was {found.options!r}"
        return
    try:
        options = found.options()
    except Exception as error:  # noqa: BLE001 - a constructor of somebody else raises what it likes
        yield f"must have options that all have defaults within their bounds, was {type(error).__name__}: {error}"
        return
    yield from _broken_rules_of_native(found, options) if isinstance(found, Detector) else _uncallable(found)


def _is_kind_of_options(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Options)


def _uncallable(found: AdaptedDetector) -> Iterator[str]:
    if not callable(found.build):
        yield f"must have a function that builds its parts, was {type(found.build).__name__}"


def _broken_rules_of_native(found: Detector, options: Options) -> Iterator[str]:
    for role, function in (("score", found.score), ("learn", found.learn), ("expect", found.expect)):
        if function is not None and not _is_importable(function):
            yield f"must have a compiled function of a module as `{role}`, was {type(function).__name__}"
    try:
        layout = found.layout(options, 2 if found.takes_vector else 1)
    except Exception as error:  # noqa: BLE001 - a function of somebody else raises what it likes
        yield f"must have a layout for its default options, was {type(error).__name__}: {error}"
        return
    if not _is_row_each(layout):
        yield "must have a layout of one structured row of plain numbers each for state and parameters"


def _is_importable(function: Callable[..., Any]) -> bool:
    """Tell whether generated code finds a compiled function by its name."""
    if not hasattr(function, "py_func"):
        return False
    module, name = source_of(function)
    return getattr(import_module(module), name, None) is function


def _is_row_each(layout: object) -> bool:
    if not isinstance(layout, Layout):
        return False
    rows = (layout.initial, layout.params)
    return all(row.shape == (1,) and row.dtype.names is not None and not row.dtype.hasobject for row in rows)


def _refusal(rule: str) -> ConfigError:
    return ConfigError(Problem("detector", rule))


def _origin(entry: metadata.EntryPoint) -> str:
    return "an unknown distribution" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _distribution(entry: metadata.EntryPoint) -> str:
    return "it" if entry.dist is None else entry.dist.name
