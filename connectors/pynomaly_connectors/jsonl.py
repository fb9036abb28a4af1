"""Files of JSON lines as message sinks: appended, fsynced, and cut back to what was durable.

A file is one sequence of bytes, so a position is a length, with the path of the file and its last bytes up to there: a
file of another flow is never cut. Opening it again drops what a crash left behind the last durable length: nothing is
repeated, which is more than a topic can do. State and files may be moved together, for the path is as the flow has it.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from pynomaly.application.ports import Message, MessageWriter
from pynomaly.domain.error import DeliveryError, StateError, UnavailableError
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.durable_file import sync_folder
from pynomaly_connectors.sealed_file import LedgerFolder, read_sealed, replace_sealed

_VERSION = 1
_TAIL_BYTES = 4_096

Render = Callable[[Message], bytes]


def value_line(message: Message) -> bytes:
    """Render the value as it is: for messages whose value is a JSON object on one line."""
    return message.value


def envelope_line(message: Message) -> bytes:
    """Render headers, key and value as one JSON object, whatever bytes they hold.

    ``key`` and ``value`` are base64; ``key_text`` and ``value_text`` repeat them for the reader where they are
    UTF-8. ``headers`` is a list, for a name may occur twice: of name and text, the text null for a null value; a value
    that is not UTF-8 follows in base64.
    """
    envelope: dict[str, object] = {"headers": [_header(name, value) for name, value in message.headers]}
    for name, content in (("key", message.key), ("value", message.value)):
        if content is not None:
            envelope[name] = base64.b64encode(content).decode()
            envelope[f"{name}_text"] = _text(content)
    return orjson.dumps(envelope, option=orjson.OPT_SORT_KEYS)


def read_envelope_line(line: bytes) -> RawRecord | None:
    """Return the message that `envelope_line` rendered; None for any other line."""
    try:
        envelope = orjson.loads(line)
        key, value = (None if name not in envelope else base64.b64decode(envelope[name]) for name in ("key", "value"))
        return RawRecord(value, key, tuple(_read_header(*header) for header in envelope["headers"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _header(name: str, value: bytes | None) -> list[str | None]:
    text = None if value is None else _text(value)
    if value is None or text is not None:
        return [name, text]
    return [name, None, base64.b64encode(value).decode()]


def _read_header(name: str, text: str | None, encoded: str | None = None) -> tuple[str, bytes | None]:
    if encoded is not None:
        return name, base64.b64decode(encoded)
    return name, None if text is None else text.encode()


@dataclass(frozen=True, slots=True)
class _Place:
    """A length, what it is the length of, and a digest of the last bytes up to there."""

    name: str
    length: int
    tail: str

    @classmethod
    def at(cls, name: str, descriptor: int, length: int) -> _Place:
        looked_at = min(length, _TAIL_BYTES)
        return cls(name, length, _digest(os.pread(descriptor, looked_at, length - looked_at)))

    def token(self) -> bytes:
        return orjson.dumps({"bytes": self.length, "of": self.name, "tail": self.tail, "version": _VERSION})

    @classmethod
    def read(cls, token: bytes) -> _Place | None:
        """Read a token; None for one of another kind of output."""
        try:
            fields: object = orjson.loads(token)
        except orjson.JSONDecodeError:
            fields = None
        match fields:
            case {"bytes": int(size), "of": str(name), "tail": str(tail), "version": int(version)} if (
                version == _VERSION
            ):
                return cls(name, size, tail)
            case dict() if "bytes" not in fields:
                return None
            case _:
                raise StateError(f"saved position must be of version {_VERSION}, was {token[:80]!r}")


class JsonLinesSink:
    """One file of JSON lines; its folder is made.

    Opened without a position of its own (at the first start, or after the output was somewhere else) it goes on behind
    what the file holds, and drops the lines of an earlier start that crashed before its first checkpoint: for that the
    ``ledger`` keeps the size before the first line.

    Parameters
    ----------
    path
        The file.
    render
        Makes one line, without its end, of a message.
    ledger
        Folder beside the flow's state, for the size of the file at the first start; without one an opening
        without a position of this file only appends.
    """

    def __init__(self, path: Path, render: Render = value_line, ledger: LedgerFolder | None = None) -> None:
        self._path = path
        self._render = render
        self._ledger = ledger
        self._name = _digest(os.fsencode(path))

    @property
    def where(self) -> str:
        """Path of the file."""
        return str(self._path)

    def check(self) -> None:
        """Look at the file, or at the nearest folder above it that exists.

        Raises
        ------
        UnavailableError
            When it cannot be written.
        """
        nearest = next(place for place in (self._path, *self._path.absolute().parents) if place.exists())
        if self._path.is_dir() or not os.access(nearest, os.W_OK):
            raise UnavailableError(
                f"{self._path} must be a file that can be written, was not: look at the permissions of {nearest}"
            )

    def open(self, position: bytes | None) -> MessageWriter:
        """Open the file, cut back to ``position`` if that is one of this file.

        Raises
        ------
        StateError
            When the file is shorter than the position: output was lost.
        UnavailableError
            When it cannot be written, or another writer has it open.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UnavailableError(
                f"{self._path} must be a file that can be written, was not: {error.strerror}"
            ) from None
        try:
            self._lock(descriptor)
            self._cut_back(descriptor, self._place_of(position, descriptor))
            _end_torn_line(descriptor)
            os.fsync(descriptor)
            sync_folder(self._path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return JsonLinesWriter(self._path, self._name, descriptor, self._render)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UnavailableError(
                f"{self._path} must have one writer, was open in another: give every output and flow a file of its own"
            ) from None

    def _place_of(self, position: bytes | None, descriptor: int) -> _Place:
        place = None if position is None else _Place.read(position)
        return self._start(position, descriptor) if place is None or place.name != self._name else place

    def _start(self, position: bytes | None, descriptor: int) -> _Place:
        """Return the place before the first line written after ``position``, recorded before that line is written."""
        here = _Place.at(_digest(position or b""), descriptor, os.fstat(descriptor).st_size)
        if self._ledger is None:
            return here
        entry = self._ledger.path / f"{self._name}.json"
        recorded = _Place.read(read_sealed(entry, self._ledger.seals)) if entry.exists() else None
        if recorded is not None and recorded.name == here.name:
            return recorded
        try:
            replace_sealed(entry, here.token(), self._ledger.seals)
        except OSError as error:
            raise UnavailableError(
                f"{entry} must be a file that can be written, was not: {error.strerror}; look at the permissions and "
                "the free space of the state folder"
            ) from None
        return here

    def _cut_back(self, descriptor: int, place: _Place) -> None:
        size = os.fstat(descriptor).st_size
        if size < place.length or _Place.at(place.name, descriptor, place.length) != place:
            found = f"{size} bytes" if size < place.length else "other bytes"
            raise StateError(
                f"{self._path} must hold the {place.length} bytes that were written before, was {found}: put the file "
                "back, or start over with --reset-state"
            )
        os.ftruncate(descriptor, place.length)


class JsonLinesWriter:
    """An open file; made by `JsonLinesSink.open`."""

    def __init__(self, path: Path, name: str, descriptor: int, render: Render) -> None:
        self._path = path
        self._name = name
        self._file = os.fdopen(descriptor, "ab")
        self._render = render
        self._durable = os.fstat(descriptor).st_size

    def write(self, messages: Sequence[Message]) -> None:
        """Append one line for each message.

        Raises
        ------
        DeliveryError
            When the disk refuses them.
        """
        lines = b"".join([self._render(message) + b"\n" for message in messages])
        try:
            self._file.write(lines)
        except OSError as error:
            raise self._refused(error) from error

    def flush(self) -> None:
        """Return when all lines are on the disk.

        Raises
        ------
        DeliveryError
            When the disk refuses them.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refused(error) from error
        self._durable = os.fstat(self._file.fileno()).st_size

    def position(self) -> bytes:
        """Return the length up to the last flush."""
        return _Place.at(self._name, self._file.fileno(), self._durable).token()

    def close(self) -> None:
        """Close the file; what was not flushed may or may not be in it."""
        if not self._file.closed:
            try:
                self._file.close()
            except OSError as error:
                raise self._refused(error) from error

    def _refused(self, error: OSError) -> DeliveryError:
        return DeliveryError(
            f"{self._path} must take the lines written, was refused: {error.strerror}; look at the free space and the "
            "permissions of its disk; a restart writes them again"
        )


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _end_torn_line(descriptor: int) -> None:
    """Keep what another program left unfinished apart from our first line."""
    size = os.fstat(descriptor).st_size
    if size > 0 and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
