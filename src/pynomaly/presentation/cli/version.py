"""`pynomaly version`."""

from __future__ import annotations

import platform

import pynomaly
from pynomaly.presentation.cli.parameter import AsJson


def show_version(as_json: AsJson = False) -> None:
    """Print the version of the program and of what its results depend on."""
    from importlib.metadata import version

    from pynomaly.presentation.cli.result import print_json, print_text

    versions = {"pynomaly": pynomaly.__version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in ("numpy", "numba", "bytewax", "confluent-kafka", "river")}
    if as_json:
        print_json(versions)
    else:
        print_text("\n".join(f"{name} {number}" for name, number in versions.items()))
