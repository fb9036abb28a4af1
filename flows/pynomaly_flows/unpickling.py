"""Bytewax unpickles what it finds in its recovery store: let that be nothing but bytes.

Every snapshot of ours is ``bytes``, so a row that names any class or function was not written by us. The library calls
``pickle.loads`` by attribute, which makes the attribute the place to stand guard (checked with 0.21.1). One other
caller in the process has business there: numba, which reads its cache of machine code in the same way; that folder is
as trusted as the program's own code. A call counts as numba's by the frame it comes from, which no data can forge.
"""

from __future__ import annotations

import inspect
import io
import pickle
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, NoReturn

from pynomaly.domain.error import StateError

_trusting_loads: Final = pickle.loads


class BytesOnlyUnpickler(pickle.Unpickler):
    """Reads plain values and refuses every global."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        """Refuse to import anything.

        Raises
        ------
        StateError
            Always, naming what was asked for.
        """
        raise StateError(
            f"recovery store must hold bytes only, named {module_name}.{global_name}: "
            "it was altered or belongs to another program; nothing of it was run"
        )


def loads_bytes(data: bytes) -> bytes:
    """Unpickle a row of the recovery store.

    Raises
    ------
    StateError
        When it is anything but bytes.
    """
    try:
        value = BytesOnlyUnpickler(io.BytesIO(data)).load()
    except StateError:
        raise
    except Exception as error:  # the format has many ways to be broken
        raise StateError(f"recovery store must hold readable rows, held a damaged one ({error!r})") from error
    if not isinstance(value, bytes):
        raise StateError(f"recovery store must hold bytes only, held {type(value).__name__}")
    return value


@contextmanager
def guarded_unpickling() -> Generator[None]:
    """Let ``pickle.loads`` of this process read bytes only, inside a block."""
    before = pickle.loads
    install_guard()
    try:
        yield
    finally:
        pickle.loads = before


def install_guard() -> None:
    """Let ``pickle.loads`` of this process read bytes only, from now on."""
    pickle.loads = _guarded_loads  # type: ignore[assignment]


def _guarded_loads(data: bytes, /, **options: str) -> object:
    frame = inspect.currentframe()
    caller = frame.f_back if frame is not None else None
    module = "" if caller is None else str(caller.f_globals.get("__name__", ""))
    if module.startswith("numba."):
        return _trusting_loads(data, **options)  # type: ignore[arg-type]
    return loads_bytes(data)
