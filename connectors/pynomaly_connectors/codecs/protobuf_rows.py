"""Protobuf record by record: which message a body is, and its fields as plain values.

A field that was left out has its default, as Protobuf rules, but if it says whether it is there (`optional`, a oneof, a
message) it is missing. A `google.protobuf.Timestamp` is a moment, whatever the flow's time format says; an enum is the
name of its value; wrapped numbers and texts (`google.protobuf.DoubleValue`) count as what they wrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from pynomaly.application.spec.record import RecordSpec
from pynomaly_connectors.codecs.parsed_rows import ParsedRows, mismatch
from pynomaly_connectors.codecs.protobuf_schema import message_type

_TIMESTAMP: Final = "google.protobuf.Timestamp"
_WRAPPERS: Final = frozenset(
    f"google.protobuf.{name}Value" for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "String")
)
_MOST_INDEXES: Final = 32
_SECOND_NS: Final = 1_000_000_000


class Moment(int):
    """A time by its own type [ns]; no number among the values of a record."""


Indexes = tuple[int, ...]


def protobuf_rows(spec: RecordSpec, file: FileDescriptor) -> ParsedRows:
    """Return the decoder of bodies written by the messages of one file."""
    names = [name.split(".") for name in (spec.time.field, *spec.series, *spec.values)]
    return ParsedRows(spec, ProtobufBody(file, names), lambda value: int(value) if type(value) is Moment else None)


class ProtobufBody:
    """Parses bodies: the message's indexes in its file, and the message.

    Parameters
    ----------
    file
        The messages.
    paths
        Fields that are asked for; no others are looked at.
    """

    def __init__(self, file: FileDescriptor, paths: list[list[str]]) -> None:
        self._file = file
        self._paths = paths
        self._known: dict[Indexes, Callable[[bytes], Mapping[str, object]]] = {}

    def __call__(self, body: bytes) -> Mapping[str, object]:
        """Return the fields of one record."""
        indexes, begin = _indexes(body)
        read = self._known.get(indexes)
        if read is None:
            try:
                read = _reader(message_type(self._file, indexes), self._paths)
            except IndexError:
                raise mismatch() from None
            self._known[indexes] = read  # as many as the file has messages
        try:
            return read(body[begin:])
        except (DecodeError, ValueError):  # ValueError: a text that is no UTF-8
            raise mismatch() from None


def _reader(message: Descriptor, paths: list[list[str]]) -> Callable[[bytes], Mapping[str, object]]:
    parse = GetMessageClass(message).FromString
    tree = _tree(paths)
    return lambda body: _values(parse(body), tree)


def _tree(paths: list[list[str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for name in path:
            node = node.setdefault(name, {})
    return tree


def _values(message: Any, tree: Mapping[str, Any]) -> dict[str, object]:
    fields = message.DESCRIPTOR.fields_by_name
    return {name: _value(message, fields[name], below) for name, below in tree.items() if name in fields}


def _value(message: Any, field: FieldDescriptor, below: Mapping[str, Any]) -> object:
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if field.is_repeated:
        return _entries(value, below) if _is_map(field) else ()
    if field.message_type is not None:
        return _of_message(value, field.message_type.full_name, below)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    return value


def _of_message(value: Any, kind: str, below: Mapping[str, Any]) -> object:
    if kind == _TIMESTAMP:
        return Moment(value.seconds * _SECOND_NS + value.nanos)
    if kind in _WRAPPERS:
        return value.value
    return _values(value, below)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _entries(entries: Any, below: Mapping[str, Any]) -> dict[str, object]:
    """Return what a map from texts holds under the names that are asked for."""
    found: dict[str, object] = {}
    for name, deeper in below.items():
        try:
            value = entries.get(name)
        except TypeError:  # its keys are numbers
            return {}
        is_message = hasattr(value, "DESCRIPTOR")
        found[name] = _of_message(value, value.DESCRIPTOR.full_name, deeper) if is_message else value
    return found


def _indexes(body: bytes) -> tuple[Indexes, int]:
    """Return the indexes of the message and where it begins; a single zero stands for the first message."""
    numbers = _varints(body)
    try:
        count, end = next(numbers)
        if count == 0:
            return (0,), end
        if not 0 < count <= _MOST_INDEXES:
            raise mismatch()
        found = [next(numbers) for _ in range(count)]
    except (StopIteration, RuntimeError):
        raise mismatch() from None
    if any(index < 0 for index, _ in found):
        raise mismatch()
    return tuple(index for index, _ in found), found[-1][1]


def _varints(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield zigzag numbers of at most 32 bits, each with the place behind it."""
    place = number = shift = 0
    while place < len(body) and shift <= 28:
        octet = body[place]
        place += 1
        number |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            yield (number >> 1) ^ -(number & 1), place
            number = shift = 0
