"""Sections of the detectors that other distributions offer, made when a flow names one."""

from __future__ import annotations

from functools import cache

from pynomaly.application.plugin import Plugin, find_plugin
from pynomaly.application.spec.detect import PartSpec
from pynomaly.application.spec.native import adapted_part, native_part
from pynomaly.domain.detectors import Detector
from pynomaly.domain.error import ConfigError, Problem


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
        raise ConfigError(Problem("detector", f"must be one that a flow can state, was not: {error}")) from error
    part.plugin = plugin
    return part
