"""A file of dead letters, for reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pynomaly.application.dead_letter import DeadLetter
from pynomaly.domain.error import MissingInputError
from pynomaly_connectors.codecs.dead_letter import read_dead_letter
from pynomaly_connectors.jsonl import read_envelope_line


class FileDeadLetters:
    """A file that `JsonLinesSink` writes with `envelope_line`; a line that is not finished yet is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def where(self) -> str:
        """Path of the file."""
        return str(self._path)

    def letters(self) -> Iterator[DeadLetter | None]:
        """Yield the letters in the order of the lines; the file does not say when one was written."""
        try:
            with self._path.open("rb") as file:
                for line in file:
                    message = read_envelope_line(line) if line.endswith(b"\n") else None
                    yield None if message is None else read_dead_letter(message)
        except OSError as error:
            raise MissingInputError(
                f"dead letters {self._path} must be a file that can be read, was not: {error.strerror}; "
                "a flow makes it at its first start"
            ) from None
