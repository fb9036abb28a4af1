"""The bytes of one file, unpacked, from any position on."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from pathlib import Path
from typing import Final

from pynomaly.domain.error import MissingInputError, UnavailableError

HEAD_BYTES: Final = 4096
_SKIP_BYTES: Final = 1 << 20


class Content:
    """A file read front to back; a ``.gz`` file is unpacked on the way.

    Parameters
    ----------
    path
        The file, as the operator named it.
    to_present_end
        Stop at the size that the file has now, whatever is written to it later.
    keep_open
        Hold the file between two reads; one that is not held must stay where it is.

    Raises
    ------
    MissingInputError, UnavailableError
        When it is not there or may not be read.
    """

    def __init__(self, path: str, *, to_present_end: bool, keep_open: bool = True) -> None:
        self._path = path
        self._keep_open = keep_open
        self._packed = packed = _Front(path, to_present_end=to_present_end)
        self._bytes: io.RawIOBase | gzip.GzipFile = gzip.GzipFile(fileobj=packed) if path.endswith(".gz") else packed
        self.position = 0
        self._rest()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` unpacked bytes; none at the (present) end.

        Raises
        ------
        UnavailableError
            When the disk fails or the gzip data are damaged or cut off.
        """
        try:
            data = self._bytes.read(size) or b""
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnavailableError(f"file must be whole gzip data, was {self._path!r}: {error}") from error
        except OSError as error:
            raise UnavailableError(f"file must be readable, was {self._path!r}: {error.strerror}") from error
        finally:
            self._rest()
        self.position += len(data)
        return data

    def skip_to(self, position: int) -> bool:
        """Go forward to an unpacked position; false when the content ends before it."""
        if isinstance(self._bytes, _Front):
            self.position = self._bytes.jump(position)
            self._rest()
            return self.position == position
        while self.position < position:
            if not self.read(min(_SKIP_BYTES, position - self.position)):
                return False
        return True

    def check_unchanged(self) -> None:
        """Notice, at the present end of a growing file, that it is no longer the one that was opened.

        Raises
        ------
        UnavailableError
            When the file was cut, or another one has its name.
        """
        opened = self._packed.stat()
        if opened.st_size < self.position:
            raise UnavailableError(
                f"file must only grow while it is followed, was cut: {self._path!r}; "
                "restart the flow with --reset-state, or rotate by renaming and a new name"
            )
        try:
            named = Path(self._path).stat()
        except FileNotFoundError:
            return  # renamed away and read to its end; nothing else can be missed
        if not os.path.samestat(opened, named):
            raise UnavailableError(
                f"file must stay the same while it is followed, was replaced: {self._path!r}; "
                "all of the old one was read: restart the flow with --reset-state to read the new one"
            )

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._bytes.close()
        self._packed.close()

    def _rest(self) -> None:
        if not self._keep_open:
            self._packed.rest()


class _Front(io.RawIOBase):
    """The first bytes of a file as a file: what stood in it when it was opened."""

    def __init__(self, path: str, *, to_present_end: bool) -> None:
        self._path = path
        self._file = _opened(path)
        self._first = self.stat()
        self._at = 0
        self._left = self._first.st_size if to_present_end else None

    def stat(self) -> os.stat_result:
        return os.fstat(self._file.fileno())

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
        data = self._awake().read(size)
        if self._left is not None:
            self._left -= len(data)
        return data

    def jump(self, position: int) -> int:
        """Go to ``position``, or to the end where that comes first; return where it is."""
        file = self._awake()
        end = self.stat().st_size
        if self._left is not None:
            end = min(end, file.tell() + self._left)
        reached = min(position, end)
        if self._left is not None:
            self._left = end - reached
        return file.seek(reached)

    def rest(self) -> None:
        """Give the descriptor back until the next read."""
        if not self._file.closed:
            self._at = self._file.tell()
            self._file.close()

    def close(self) -> None:
        self._file.close()
        super().close()

    def _awake(self) -> io.FileIO:
        if self._file.closed:
            self._file = _opened(self._path)
            now = self.stat()
            if not os.path.samestat(now, self._first) or now.st_size < self._at:
                raise UnavailableError(
                    f"file must stay as it is while it is read, was replaced or cut: {self._path!r}; "
                    "put the old one back, or start over with --reset-state"
                )
            self._file.seek(self._at)
        return self._file


def _opened(path: str) -> io.FileIO:
    try:
        return Path(path).open("rb", buffering=0)
    except FileNotFoundError:
        raise MissingInputError(f"file must exist, was {path!r}: it is gone since the flow listed its files") from None
    except OSError as error:
        raise UnavailableError(f"file must be readable, was {path!r}: {error.strerror}") from error


def head_hash(head: bytes) -> str:
    """Return what the first bytes of a file are recognised by."""
    return hashlib.blake2b(head, digest_size=16).hexdigest()
