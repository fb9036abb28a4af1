"""Compilation of the small functions that a scanner calls several times a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def inlined(function: FunctionT) -> FunctionT:
    """Mark a function as `pynomaly.domain.jit.compiled` does, and copy its machine code into every caller.

    LLVM leaves functions of this size as calls, which costs the JSON scanner a third of its time.
    """
    return cast("FunctionT", numba.njit(error_model="numpy", forceinline=True)(function))
