"""How functions of the domain become machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

Row = Any  # one row of a structured array, as compiled code sees it


def compiled(function: FunctionT) -> FunctionT:
    """Mark a function for compilation with IEEE arithmetic in the order written.

    No ``fastmath`` and no ``parallel``: floats are part of the replay contract. Division by zero gives
    infinity instead of raising. Compilation happens at the first call, never at import; nothing is
    cached here, because numba's cache would miss an edit of an imported function (the engine caches
    whole fused kernels, by the hash of all their sources).
    """
    return cast("FunctionT", numba.njit(error_model="numpy")(function))


def inlined(function: FunctionT) -> FunctionT:
    """Mark a function as `compiled` does, and copy its machine code into every caller.

    LLVM leaves small functions that are called from many places as calls, which costs the JSON scanner a third of its
    time.
    """
    return cast("FunctionT", numba.njit(error_model="numpy", forceinline=True)(function))


def source_of(function: Callable[..., Any]) -> tuple[str, str]:
    """Return the module and name under which generated code imports a compiled function."""
    plain = getattr(function, "py_func", function)
    return plain.__module__, plain.__name__
