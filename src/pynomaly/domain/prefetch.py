"""Ask for memory before it is needed.

The state of 10,000 series is larger than the caches near a core, and records of different series follow each other
in any order, so a kernel that meets each row unprepared spends most of its time waiting for memory. The slots of the
records ahead are known: their rows are asked for while this record is judged. A prefetch is a hint without effect on
any result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_cgutils: Any = cgutils  # annotated in parts only; its `ir` is llvmlite's
_FOR_WRITING, _KEEP_NEAR, _DATA = 1, 3, 1  # arguments of llvm.prefetch


def _prefetch(_typing: Any, rows: Any, index: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    return types.void(rows, index, offset), _emit


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    kind, ir, pointer = signature.args[0], _cgutils.ir, _cgutils.voidptr_t
    array = context.make_array(kind)(context, builder, arguments[0])
    row = _cgutils.get_item_pointer(context, builder, kind, array, [arguments[1]])
    place = builder.gep(builder.bitcast(row, pointer), [arguments[2]])
    hints = [ir.Constant(_cgutils.int32_t, hint) for hint in (_FOR_WRITING, _KEEP_NEAR, _DATA)]
    declaration = ir.FunctionType(ir.VoidType(), [pointer, *(hint.type for hint in hints)])
    function = _cgutils.get_or_insert_function(builder.module, declaration, "llvm.prefetch.p0i8")
    builder.call(function, [place, *hints])
    return context.get_dummy_value()


#: ``prefetch(rows, index, offset)``: ask for the cache line at byte ``offset`` of row ``index``, in compiled code only.
prefetch = cast("Callable[[Any, int, int], None]", intrinsic(_prefetch))
