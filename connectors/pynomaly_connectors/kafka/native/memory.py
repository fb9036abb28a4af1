"""Messages of librdkafka copied into columns by compiled code that reads them where they lie.

A batch comes as addresses of `rd_kafka_message_t`. The offsets below are those of its public 64-bit layout; a test
compares them with `library.NativeMessage`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from pynomaly.domain.jit import compiled
from pynomaly.domain.record import ByteColumn, Int64Column

ERR_AT: Final = 0
PAYLOAD_AT: Final = 24
LENGTH_AT: Final = 32
KEY_AT: Final = 40
KEY_LENGTH_AT: Final = 48
OFFSET_AT: Final = 56

#: Lengths that are none: of a message without these bytes, and of an error in a message's place.
NO_BYTES: Final = -1
NO_RECORD: Final = -2

Addresses = NDArray[np.int64]
ByteMatrix = NDArray[np.uint8]

_NOT_AVAILABLE: Final = 0  # `RD_KAFKA_TIMESTAMP_NOT_AVAILABLE`

_raw_memcpy: Any = cgutils.raw_memcpy
_alloca_once: Any = cgutils.alloca_once
_intrinsic: Any = intrinsic  # its stub does not know that the typing context is not an argument of the call


@_intrinsic  # type: ignore[untyped-decorator]
def _int64_at(_typing: Any, _address: Any) -> Any:
    """Read 8 bytes as a signed integer."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _int32_at(_typing: Any, _address: Any) -> Any:
    """Read 4 bytes as a signed integer."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()))

    return types.int32(types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _copy(_typing: Any, _target: Any, _source: Any, _count: Any) -> Any:
    """Copy bytes between two addresses; the stretches must not overlap."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        target, source = (builder.inttoptr(argument, pointer) for argument in arguments[:2])
        _raw_memcpy(builder, target, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _call(_typing: Any, _function: Any, _argument: Any) -> Any:
    """Call the C function at an address with one pointer; what it returns is dropped."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer]).as_pointer()
        builder.call(builder.inttoptr(arguments[0], kind), [builder.inttoptr(arguments[1], pointer)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _timestamp(_typing: Any, _function: Any, _message: Any) -> Any:
    """Ask `rd_kafka_message_timestamp`, at an address, for a timestamp; -1 where it says that there is none."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(64)
        kind = _alloca_once(builder, ir.IntType(32))
        function = ir.FunctionType(number, [pointer, kind.type]).as_pointer()
        message = builder.inttoptr(arguments[1], pointer)
        time_ms = builder.call(builder.inttoptr(arguments[0], function), [message, kind])
        is_there = builder.icmp_signed("!=", builder.load(kind), ir.Constant(ir.IntType(32), _NOT_AVAILABLE))
        return builder.select(is_there, time_ms, ir.Constant(number, -1))

    return types.int64(types.int64, types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _ask(_typing: Any, _function: Any, _what: Any, _answer: Any) -> Any:
    """Call the C function at an address with two pointers, the second for its answer; return its error code."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _called(builder, arguments)

    return types.int32(types.int64, types.int64, types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _ask_by_name(_typing: Any, _function: Any, _what: Any, _name: Any, _answer: Any, _size: Any) -> Any:
    """Call the C function at an address with four pointers, the last two for its answer; return its error code."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _called(builder, arguments)

    return types.int32(types.int64, types.int64, types.int64, types.int64, types.int64), generate


def _called(builder: Any, arguments: Any) -> Any:
    pointer = ir.IntType(8).as_pointer()
    function, *given = arguments
    kind = ir.FunctionType(ir.IntType(32), [pointer] * len(given)).as_pointer()
    return builder.call(builder.inttoptr(function, kind), [builder.inttoptr(each, pointer) for each in given])


@compiled
def measure(messages: Addresses, count: int, at: int, length_at: int, length: Int64Column, offset: Int64Column) -> int:
    """Read length and offset of each message; return the sum of the lengths.

    ``at`` and ``length_at`` choose the payload or the key. Lengths may be `NO_BYTES` or `NO_RECORD`.
    """
    total = 0
    for row in range(count):
        message = messages[row]
        offset[row] = _int64_at(message + OFFSET_AT)
        if _int32_at(message + ERR_AT) != 0:
            length[row] = NO_RECORD
        elif _int64_at(message + at) == 0:
            length[row] = NO_BYTES
        else:
            length[row] = _int64_at(message + length_at)
            total += length[row]
    return total


@compiled
def gather(messages: Addresses, count: int, at: int, length: Int64Column, start: Int64Column, data: ByteColumn) -> None:
    """Copy the bytes at ``at`` of each message one behind the other, and tell where each begins."""
    base = data.ctypes.data
    filled = 0
    for row in range(count):
        start[row] = filled
        if length[row] > 0:
            _copy(base + filled, _int64_at(messages[row] + at), length[row])
            filled += length[row]


@compiled
def destroy(messages: Addresses, count: int, function: int) -> None:
    """Give each message back; ``function`` is the address of `rd_kafka_message_destroy`."""
    for row in range(count):
        _call(function, messages[row])


@compiled
def read_timestamps(messages: Addresses, count: int, function: int, time_ms: Int64Column) -> None:
    """Read the timestamp of each message [ms], -1 where there is none; ``function`` is `rd_kafka_message_timestamp`."""
    for row in range(count):
        time_ms[row] = _timestamp(function, messages[row])


@compiled
def have_headers(messages: Addresses, count: int, function: int, found: ByteColumn) -> None:
    """Tell which messages have headers, by 1; ``function`` is the address of `rd_kafka_message_headers`."""
    answer = np.zeros(1, np.int64)
    for row in range(count):
        found[row] = _ask(function, messages[row], answer.ctypes.data) == 0


@compiled
def find_header(
    messages: Addresses,
    count: int,
    headers_of: int,
    last_of: int,
    name: ByteColumn,
    data: ByteMatrix,
    found: ByteColumn,
) -> None:
    """Copy the last header of a name from each message that has it with as many bytes as ``data`` is wide.

    Parameters
    ----------
    messages, count
        Addresses of the messages.
    headers_of, last_of
        Addresses of `rd_kafka_message_headers` and `rd_kafka_header_get_last`.
    name
        The name, with the zero at its end.
    data
        ``(n, size)`` takes the content.
    found
        ``(n,)`` takes 1 where there is one.
    """
    size = data.shape[1]
    answer = np.zeros(2, np.int64)
    value_at, size_at = answer.ctypes.data, answer.ctypes.data + 8
    for row in range(count):
        found[row] = 0
        if _ask(headers_of, messages[row], value_at) != 0:
            continue
        failed = _ask_by_name(last_of, answer[0], name.ctypes.data, value_at, size_at)
        if failed == 0 and answer[0] != 0 and answer[1] == size:
            _copy(data.ctypes.data + row * size, answer[0], size)
            found[row] = 1
