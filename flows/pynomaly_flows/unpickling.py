"""Bytewax unpickles what it finds in its recovery store: let that be nothing but bytes.

Every snapshot of ours is ``bytes``, so a row that names any class or function was not written by us. The library calls
``pickle.loads`` by attribute, which makes the attribute the place to stand guard (checked with 0.21.1). One other
caller in the process has business there: numba, which reads its cache of machine code in the same way; that folder is
as trusted as the program's own code. A call counts as numba's by the frame it comes from, which no data can forge.

Where rows are sealed, nothing is unpickled before its seal was verified: the bytes are cut out of the one form in which
Bytewax writes them, and everything else is refused unread.
"""

from __future__ import annotations

import inspect
import io
import pickle
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Final, NoReturn

from pynomaly.domain.error import StateError
from pynomaly.domain.seal import UNSEALED, SealError, Seals
from pynomaly_flows.foreseen import foreseen

_trusting_loads: Final = pickle.loads
_PROTOCOL: Final = pickle.PROTO + bytes([pickle.DEFAULT_PROTOCOL])
_FRAME_BYTES: Final = 8
_LENGTH_BYTES: Final = {pickle.SHORT_BINBYTES: 1, pickle.BINBYTES: 4, pickle.BINBYTES8: 8}
_END: Final = pickle.MEMOIZE + pickle.STOP


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


def cut_out_bytes(data: bytes) -> bytes:
    """Return the bytes of a row without unpickling it.

    Raises
    ------
    StateError
        When it is not exactly what pickling bytes gives.
    """
    start = len(_PROTOCOL)
    if data[start : start + 1] == pickle.FRAME:
        start += len(pickle.FRAME) + _FRAME_BYTES
    width = _LENGTH_BYTES.get(data[start : start + 1], 0)
    begin = start + 1 + width
    end = begin + int.from_bytes(data[start + 1 : begin], "little")
    if not data.startswith(_PROTOCOL) or width == 0 or data[end:] != _END:
        raise StateError(
            "recovery store must hold bytes only, held something else: it was altered, nothing of it was run"
        )
    return data[begin:end]


def pickled(content: bytes) -> bytes:
    """Return a row as Bytewax would write it."""
    return pickle.dumps(content)


def read_row(data: bytes, seals: Seals) -> bytes:
    """Return the bytes of a row, unpickled only where nothing is sealed; their seal is still to be opened.

    Raises
    ------
    StateError
        When they are no bytes.
    """
    return cut_out_bytes(data) if seals.active else loads_bytes(data)


@contextmanager
def guarded_unpickling(seals: Seals = UNSEALED) -> Generator[None]:
    """Let ``pickle.loads`` of this process read bytes only, inside a block; sealed ones if there is a key."""
    before = pickle.loads
    install_guard(seals)
    try:
        yield
    finally:
        pickle.loads = before


def install_guard(seals: Seals = UNSEALED) -> None:
    """Let ``pickle.loads`` of this process read bytes only, from now on; sealed ones if there is a key."""
    pickle.loads = partial(_guarded_loads, foreseen(_sealed_reader(seals) if seals.active else loads_bytes))


def _sealed_reader(seals: Seals) -> Callable[[bytes], bytes]:
    def read(data: bytes) -> bytes:
        sealed = cut_out_bytes(data)
        try:
            seals.check(sealed)
        except SealError as error:
            raise SealError(f"row of the recovery store: {error}") from None
        return sealed

    return read


def _guarded_loads(read: Callable[[bytes], bytes], data: bytes, /, **options: str) -> object:
    frame = inspect.currentframe()
    caller = frame.f_back if frame is not None else None
    module = "" if caller is None else str(caller.f_globals.get("__name__", ""))
    if module.startswith("numba."):
        return _trusting_loads(data, **options)  # type: ignore[arg-type]
    return read(data)
