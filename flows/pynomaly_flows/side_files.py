"""Large states beside the recovery store: files named by their content, to which the store refers.

Bytewax writes a state as one blob of SQLite: 4 ms for each MB, and 1 GB at the most. Rules:

1. A state below `INLINE_BYTES` goes into the store itself. A larger one goes into a file, and a reference to the store.
2. A file is whole and on disk (itself and its name) before its reference leaves `save`.
3. Of each stream two files stay: the one just written and the one before, which is durable, because Bytewax lets no
   stream go on while its last checkpoint is not. Whoever copies a store has one checkpoint interval to fetch its files.
4. Files that the store does not refer to (of epochs that a crash cut off) are swept at a start, after the doctor.
5. Nothing of a file is used before its checksum, which is also its name and stands in the store, was verified.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.record import Stream
from pynomaly.domain.state import StateImage, packed, unpack
from pynomaly.domain.state_frame import Packed, checksum_of
from pynomaly_connectors.durable_file import draft_of, sync_folder
from pynomaly_flows.side_file import WAYS_OUT, SideFile

INLINE_BYTES: Final = 256 * 1024
_GENERATIONS = 2


@dataclass(frozen=True, slots=True)
class Saved:
    """A state that is durable as soon as the store has ``state``; ``size`` is that of the whole [bytes]."""

    state: bytes
    size: int


class SideFiles:
    """The folder of the side files, as one process uses it.

    Parameters
    ----------
    folder
        Where they are; made when the first one is written.
    inline_bytes
        Smaller states go into the store.
    """

    def __init__(self, folder: Path, inline_bytes: int = INLINE_BYTES) -> None:
        self._folder = folder
        self._inline_bytes = inline_bytes
        self._kept: dict[Stream, deque[str]] = {}

    def save(self, stream: Stream, image: StateImage) -> Saved:
        """Make a stream's state durable up to what the store must keep of it.

        Raises
        ------
        UnavailableError
            When it cannot be written: the epoch must not become durable.
        """
        whole = packed(image)
        if whole.size < self._inline_bytes:
            return Saved(b"".join(whole.buffers), whole.size)
        file = SideFile(_name(whole.checksum), whole.size)
        try:
            self._write(file, whole)
        except OSError as error:
            raise UnavailableError(
                f"state folder {self._folder} must take {file.size:,} bytes, did not: {error.strerror}; make room, or "
                "mend the permissions: the next start goes on from the last checkpoint"
            ) from None
        self._keep(stream, file.name)
        return Saved(file.reference(), whole.size)

    def load(self, stream: Stream, state: bytes) -> StateImage:
        """Return the state that the store has, or refers to; its arrays are views, not to be written to.

        Raises
        ------
        StateError
            When it is damaged or missing.
        """
        image = unpack(state)
        file = SideFile.referred_to(state)
        if file is None:
            return image
        self._keep(stream, file.name)
        return self._read(file)

    def verify(self, file: SideFile) -> None:
        """Read a whole file.

        Raises
        ------
        StateError
            When it is not what the store refers to.
        """
        self._read(file)

    def missing(self, wanted: Collection[SideFile]) -> SideFile | None:
        """Return the first file that is not there in its full length; None when all are."""
        return next((file for file in wanted if self._size(file) != file.size), None)

    def sweep(self, wanted: Collection[SideFile]) -> int:
        """Delete all other files; return how many there were. Only while no flow runs.

        Raises
        ------
        OSError
            When one cannot be deleted.
        """
        names = {file.name for file in wanted}
        others = [path for path in self._folder.glob("*") if path.name not in names]
        for path in others:
            path.unlink()
        return len(others)

    def path(self, file: SideFile) -> Path:
        """Return where a file is."""
        return self._folder / file.name

    def _size(self, file: SideFile) -> int | None:
        path = self.path(file)
        return path.stat().st_size if path.is_file() else None

    def _write(self, file: SideFile, whole: Packed) -> None:
        if self._size(file) == file.size:
            return  # the state has not changed
        self._folder.mkdir(exist_ok=True)
        draft = draft_of(self.path(file))
        try:
            with draft.open("wb", buffering=0) as opened:
                for buffer in whole.buffers:
                    _write_all(opened.fileno(), buffer)
                os.fsync(opened.fileno())
            draft.rename(self.path(file))
        except OSError:
            draft.unlink(missing_ok=True)  # a full disk must not stay full of what nobody can use
            raise
        sync_folder(self._folder)

    def _keep(self, stream: Stream, name: str) -> None:
        """Let the oldest file of a stream go when it has too many."""
        names = self._kept.setdefault(stream, deque())
        if name in names:
            names.remove(name)
        names.append(name)
        while len(names) > _GENERATIONS:
            (self._folder / names.popleft()).unlink(missing_ok=True)

    def _read(self, file: SideFile) -> StateImage:
        path = self.path(file)
        try:
            with path.open("rb") as opened:
                content = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise StateError(f"side file {path} must be readable, was not ({error}): {WAYS_OUT}") from None
        try:
            image = unpack(content)
        except StateError as error:
            raise StateError(f"side file {path}: {error}: {WAYS_OUT}") from None
        if len(content) != file.size or file.name != _name(checksum_of(content)):
            raise StateError(f"side file {path} must be the one that the store refers to, was another: {WAYS_OUT}")
        return image


def _name(checksum: bytes) -> str:
    return f"{checksum.hex()}.state"


def _write_all(descriptor: int, buffer: bytes | memoryview) -> None:
    rest = memoryview(buffer)
    while len(rest) > 0:
        rest = rest[os.write(descriptor, rest) :]
