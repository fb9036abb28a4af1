"""Files of lines that a command writes for its user."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from pynomaly.domain.error import UnavailableError


class LineFile:
    """A file, written in place of what was there; its folder is made.

    Raises
    ------
    UnavailableError
        When it cannot be written, now or later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            raise self._refused(error) from error

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines, given without their ends."""
        try:
            self._file.writelines(line + b"\n" for line in lines)
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as refusal:
            raise self._refused(refusal) from refusal

    def _refused(self, error: OSError) -> UnavailableError:
        return UnavailableError(f"{self._path} must be a file that can be written, was not: {error.strerror}")
