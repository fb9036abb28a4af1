"""A file keeps its old content until the new one is whole."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import TracebackType


class Draft:
    """A file written under another name beside the one that it replaces at the end.

    As a context manager it gives the path to write to; the draft is kept if the block succeeds and dropped if not.
    Links lead to what is replaced and stay links. Devices and pipes, which nothing can replace, are written directly.

    Parameters
    ----------
    path
        The file in the end; its folder is made.

    Raises
    ------
    OSError
        When it cannot become a file, or is one that must not be written.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        self._in_place = path.exists() and not path.is_file()
        self._end = path if self._in_place else path.resolve()
        self._end.parent.mkdir(parents=True, exist_ok=True)
        if self._end.exists() and not os.access(self._end, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        self.path = self._end if self._in_place else self._end.with_name(f".{self._end.name}.part")

    def keep(self) -> None:
        """Let the draft, which is closed by now, take the file's place and mode."""
        if self._in_place:
            return
        if self._end.exists():
            shutil.copymode(self._end, self.path)
        self.path.replace(self._end)

    def drop(self) -> None:
        """Remove the draft, if it is there."""
        if not self._in_place:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.keep()
        else:
            self.drop()
