"""Where a flow that does not start at the first record of a topic began, kept until its first checkpoint and beyond.

"The latest" is another offset at each start, and so may be the first record of a moment. A flow that dies before its
first checkpoint would pass over what it has read, if nothing else said where it began. Rules:

1. The first start resolves all partitions of the topic, and writes them down durably before a record is read: whole or
   not at all, and never anew. Of several processes that start at once the first one decides.
2. A partition without saved position begins where it is written down.
3. A partition that is not written down came later. It begins at its first record: nobody asked to skip any of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.seal import UNSEALED, Seals
from pynomaly_connectors.durable_file import draft_of, sync_folder
from pynomaly_connectors.log_position import LogPosition
from pynomaly_connectors.sealed_file import read_sealed

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Starts:
    """The offsets at which the partitions of one topic began to be read.

    Parameters
    ----------
    incarnation
        The topic's id; may be empty.
    offsets
        Partition number -> offset.
    """

    incarnation: str
    offsets: dict[int, int]

    def position(self, partition: int) -> bytes | None:
        """Return the position from which a partition is read; None for one that came later."""
        offset = self.offsets.get(partition)
        return None if offset is None else LogPosition(offset, self.incarnation).to_bytes()

    def to_bytes(self) -> bytes:
        """Return the content of the ledger's file."""
        offsets = {str(number): offset for number, offset in self.offsets.items()}
        return orjson.dumps({"incarnation": self.incarnation, "offsets": offsets, "version": _VERSION})

    @classmethod
    def from_bytes(cls, content: bytes) -> Starts:
        """Read what `to_bytes` wrote.

        Raises
        ------
        ValueError
            When it is something else.
        """
        match orjson.loads(content):
            case {"incarnation": str(incarnation), "offsets": dict(offsets), "version": int(version)} if (
                version == _VERSION
            ):
                return cls(incarnation, {int(number): int(offset) for number, offset in offsets.items()})
            case _:
                raise ValueError(f"not of version {_VERSION}")


class StartLedger:
    """A folder with one file for each topic.

    Parameters
    ----------
    folder
        Lives and dies with the flow's state; made when it is needed.
    seals
        Of the folder.
    """

    def __init__(self, folder: Path, seals: Seals = UNSEALED) -> None:
        self._folder = folder
        self._seals = seals

    def starts(self, topic: str, now: Callable[[], Starts]) -> Starts:
        """Return what is written down of a topic; at its first start write down ``now``.

        Raises
        ------
        StateError
            When the file is damaged, or its seal does not hold.
        UnavailableError
            When the folder cannot be written.
        """
        path = self._folder / f"{topic}.json"
        try:
            if not path.exists():
                self._write_once(path, now().to_bytes())
            return Starts.from_bytes(read_sealed(path, self._seals))
        except OSError as error:
            raise UnavailableError(
                f"{path} must be a file that can be written, was not: {error.strerror}; look at the permissions and "
                "the free space of the state folder"
            ) from None
        except ValueError:
            raise StateError(
                f"{path} must say where the flow began to read, was damaged or of another version: restore the state "
                "folder from a backup, or start over with --reset-state"
            ) from None

    def _write_once(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = draft_of(path)
        with fresh.open("wb") as file:
            file.write(self._seals.seal(content, path.name))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(fresh)  # unlike a rename it leaves what another process has just written
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        sync_folder(self._folder)
