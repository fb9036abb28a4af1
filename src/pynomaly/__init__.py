"""Streaming anomaly detection that replays exactly.

`detect` scores a whole frame, `Engine` one record or batch at a time, and `read_alerts` reads what a flow has written.
All load on first use: importing pynomaly costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pynomaly.consumer import read_alerts
    from pynomaly.sdk import Engine, detect

    __version__: str

_DISTRIBUTION: Final = "pynomaly-streaming"

_MODULES: Final = {"Engine": "pynomaly.sdk", "detect": "pynomaly.sdk", "read_alerts": "pynomaly.consumer"}

__all__ = ["Engine", "__version__", "detect", "read_alerts"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - takes longer than everything else of a short process

        return version(_DISTRIBUTION)
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
