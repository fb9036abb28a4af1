"""The functions of librdkafka that the fast reader calls, from the copy that `confluent_kafka` brings.

The symbols are looked up in the extension module of the client, whose dependencies they are: so both use one library,
whatever its file is called on a platform. Nothing private is used; the layout of `rd_kafka_message_t` is part of the
public header (rdkafka.h, "Kafka messages") and of its promise of a stable ABI.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from functools import cache
from typing import Any, Final

import confluent_kafka.cimpl

_OLDEST: Final = 0x010600FF  # incremental_assign came with 1.6


class NativeMessage(ctypes.Structure):
    """`rd_kafka_message_t`."""

    _fields_ = (
        ("err", c_int),
        ("topic", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("length", c_size_t),
        ("key", c_void_p),
        ("key_length", c_size_t),
        ("offset", c_int64),
        ("private", c_void_p),
    )


class LibraryMissingError(Exception):
    """librdkafka cannot be called on this platform."""


#: Name -> result and arguments.
_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "rd_kafka_version": (c_int, ()),
    "rd_kafka_conf_new": (c_void_p, ()),
    "rd_kafka_conf_destroy": (None, (c_void_p,)),
    "rd_kafka_conf_set": (c_int, (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)),
    "rd_kafka_conf_set_events": (None, (c_void_p, c_int)),
    "rd_kafka_new": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "rd_kafka_destroy": (None, (c_void_p,)),
    "rd_kafka_consumer_close": (c_int, (c_void_p,)),
    "rd_kafka_poll_set_consumer": (c_int, (c_void_p,)),
    "rd_kafka_set_log_queue": (c_int, (c_void_p, c_void_p)),
    "rd_kafka_queue_get_consumer": (c_void_p, (c_void_p,)),
    "rd_kafka_queue_get_partition": (c_void_p, (c_void_p, c_char_p, c_int32)),
    "rd_kafka_queue_forward": (None, (c_void_p, c_void_p)),
    "rd_kafka_queue_destroy": (None, (c_void_p,)),
    "rd_kafka_queue_poll": (c_void_p, (c_void_p, c_int)),
    "rd_kafka_event_type": (c_int, (c_void_p,)),
    "rd_kafka_event_error": (c_int, (c_void_p,)),
    "rd_kafka_event_error_string": (c_char_p, (c_void_p,)),
    "rd_kafka_event_log": (c_int, (c_void_p, POINTER(c_char_p), POINTER(c_char_p), POINTER(c_int))),
    "rd_kafka_event_destroy": (None, (c_void_p,)),
    "rd_kafka_topic_partition_list_new": (c_void_p, (c_int,)),
    "rd_kafka_topic_partition_list_add": (c_void_p, (c_void_p, c_char_p, c_int32)),
    "rd_kafka_topic_partition_list_set_offset": (c_int, (c_void_p, c_char_p, c_int32, c_int64)),
    "rd_kafka_topic_partition_list_destroy": (None, (c_void_p,)),
    "rd_kafka_incremental_assign": (c_void_p, (c_void_p, c_void_p)),
    "rd_kafka_incremental_unassign": (c_void_p, (c_void_p, c_void_p)),
    "rd_kafka_error_code": (c_int, (c_void_p,)),
    "rd_kafka_error_string": (c_char_p, (c_void_p,)),
    "rd_kafka_error_destroy": (None, (c_void_p,)),
    "rd_kafka_commit": (c_int, (c_void_p, c_void_p, c_int)),
    "rd_kafka_query_watermark_offsets": (
        c_int,
        (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64), c_int),
    ),
    "rd_kafka_get_watermark_offsets": (c_int, (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64))),
    "rd_kafka_consume_batch_queue": (c_ssize_t, (c_void_p, c_int, c_void_p, c_size_t)),
    "rd_kafka_message_destroy": (None, (c_void_p,)),
    "rd_kafka_message_errstr": (c_char_p, (c_void_p,)),
    "rd_kafka_message_timestamp": (c_int64, (c_void_p, c_void_p)),
    "rd_kafka_message_headers": (c_int, (c_void_p, POINTER(c_void_p))),
    "rd_kafka_header_get_last": (c_int, (c_void_p, c_char_p, POINTER(c_void_p), POINTER(c_size_t))),
    "rd_kafka_header_get_all": (
        c_int,
        (c_void_p, c_size_t, POINTER(c_char_p), POINTER(c_void_p), POINTER(c_size_t)),
    ),
    "rd_kafka_err2str": (c_char_p, (c_int,)),
}


@cache
def librdkafka() -> Any:
    """Return the library, its functions typed.

    Raises
    ------
    LibraryMissingError
        When it lacks a function, is too old, or pointers are not of 64 bits.
    """
    if ctypes.sizeof(c_void_p) != 8:
        raise LibraryMissingError("pointers must have 64 bits")
    library = ctypes.CDLL(confluent_kafka.cimpl.__file__)
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise LibraryMissingError(f"librdkafka must have {name}, had not") from None
        function.restype, function.argtypes = result, arguments
    version = library.rd_kafka_version()
    if version < _OLDEST:
        raise LibraryMissingError(f"librdkafka must be of version {_OLDEST:#010x} or later, was {version:#010x}")
    return library


def address_of(function: Any) -> int:
    """Return the address of a function, for compiled code."""
    return ctypes.cast(function, c_void_p).value or 0
