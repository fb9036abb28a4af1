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

    Raises
    ------
    MissingInputError, UnavailableError
        When it is not there or may not be read.
    """

    def __init__(self, path: str, *, to_present_end: bool) -> None:
        self._path = path
        try:
            self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by `close`
        except FileNotFoundError:
            raise MissingInputError(
                f"file must exist, was {path!r}: it is gone since the flow listed its files"
            ) from None
        except OSError as error:
            raise UnavailableError(f"file must be readable, was {path!r}: {error.strerror}") from error
        size = os.fstat(self._file.fileno()).st_size if to_present_end else None
        packed = _Front(self._file, size)
        self._bytes: io.RawIOBase | gzip.GzipFile = gzip.GzipFile(fileobj=packed) if path.endswith(".gz") else packed
        self.position = 0

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
        self.position += len(data)
        return data

    def skip_to(self, position: int) -> bool:
        """Go forward to an unpacked position; false when the content ends before it."""
        if isinstance(self._bytes, _Front):
            self.position = self._bytes.jump(position)
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
        opened = os.fstat(self._file.fileno())
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
        self._file.close()


class _Front(io.RawIOBase):
    """The first bytes of a file as a file: what stood in it when it was opened."""

    def __init__(self, file: io.FileIO, size: int | None) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
        data = self._file.read(size)
        if self._left is not None:
            self._left -= len(data)
        return data

    def jump(self, position: int) -> int:
        """Go to ``position``, or to the end where that comes first; return where it is."""
        end = os.fstat(self._file.fileno()).st_size
        if self._left is not None:
            end = min(end, self._file.tell() + self._left)
        reached = min(position, end)
        if self._left is not None:
            self._left = end - reached
        return self._file.seek(reached)


def head_hash(head: bytes) -> str:
    """Return what the first bytes of a file are recognised by."""
    return hashlib.blake2b(head, digest_size=16).hexdigest()
