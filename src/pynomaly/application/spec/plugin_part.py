"""Sections of the detectors that other distributions offer, made when a flow names one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pynomaly.application.plugin import Plugin, find_plugin, plugin_names
from pynomaly.application.spec.detect import PartSpec
from pynomaly.application.spec.native import adapted_part, native_part
from pynomaly.domain.detectors import Detector
from pynomaly.domain.error import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A detector on offer that no flow can use, and what is wrong with it."""

    name: str
    problem: str


def plugins() -> tuple[Plugin | BrokenPlugin, ...]:
    """Import all detectors on offer, in the order of their names; one that is not fit for use hides no other."""
    return tuple(_tried(name) for name in plugin_names())


def _tried(name: str) -> Plugin | BrokenPlugin:
    try:
        part = plugin_part(name)
    except ConfigError as error:
        return BrokenPlugin(name, "; ".join(problem.rule for problem in error.problems))
    plugin = None if part is None else part.plugin
    return plugin or BrokenPlugin(name, "must still be installed, was taken away while it was looked at")


def plugin_part(name: str) -> type[PartSpec] | None:
    """Return the section of a detector that an installed distribution offers; None: there is none of that name.

    Raises
    ------
    ConfigError
        When it is not fit for use, naming the distribution and what to do.
    """
    plugin = find_plugin(name)
    return None if plugin is None else _part(plugin)


@cache
def _part(plugin: Plugin) -> type[PartSpec]:
    detector = plugin.detector
    try:
        part = native_part(detector) if isinstance(detector, Detector) else adapted_part(detector)
    except TypeError as error:
        rule = (
            f"must be one that a flow can state, was not: {error}, in {plugin.distribution} {plugin.version}: tell its "
            f"maintainers, or pip uninstall {plugin.distribution}"
        )
        raise ConfigError(Problem("detector", rule)) from error
    part.plugin = plugin
    return part
