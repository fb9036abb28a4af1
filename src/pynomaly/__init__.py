"""Streaming anomaly detection that replays exactly.

`detect` scores a whole frame, `Engine` one record or batch at a time. Both load on first use: importing
pynomaly costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pynomaly.sdk import Engine, detect

    __version__: str

_DISTRIBUTION: Final = "pynomaly-streaming"

__all__ = ["Engine", "__version__", "detect"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version(_DISTRIBUTION)
    if name in __all__:
        return getattr(import_module("pynomaly.sdk"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
