"""Files that a command writes for its user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pynomaly.application.spec.source import DatasetSource, FileSource
from pynomaly.bootstrap import Services
from pynomaly.domain.error import ConfigError, Problem, UnavailableError
from pynomaly_connectors.datasets import dataset_path
from pynomaly_connectors.files.draft import Draft


class LineFile:
    """A file of lines; as a context manager it takes its place at the end of the block, unless that fails.

    Raises
    ------
    UnavailableError
        When it cannot be written, now or later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._draft = Draft(path)
            self._file = self._draft.path.open("wb")
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
        if error is None:
            self._keep()
            return
        with suppress(OSError):  # of lines that nobody wants any more
            self._file.close()
        self._draft.drop()

    def _keep(self) -> None:
        try:
            with self._draft:
                self._file.close()
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> UnavailableError:
        return UnavailableError(f"{self._path} must be a file that can be written, was not: {error.strerror}")


def check_apart(results: Mapping[str, Path | None], read: Iterable[Path]) -> None:
    """Refuse results that would overwrite what is read, or one another, whatever way their paths are spelled.

    Parameters
    ----------
    results
        Option -> the file that it asks for; None: not asked for.
    read
        What the command reads.

    Raises
    ------
    ConfigError
        With every such option.
    """
    taken = {_identity(path): "what is read" for path in read}
    problems: list[Problem] = []
    for option, path in results.items():
        identity = None if path is None else _identity(path)
        if identity is not None and identity in taken:
            problems.append(Problem(option, f"must be another file than {taken[identity]}, was {str(path)!r}"))
        elif identity is not None:
            taken[identity] = option
    if problems:
        raise ConfigError(*problems)


def input_files(services: Services) -> list[Path]:
    """Name the files that a flow reads.

    Raises
    ------
    MissingInputError
        When they are not there.
    """
    source = services.spec.source
    if isinstance(source, DatasetSource):
        return [dataset_path(source.name)]
    return [Path(name) for name in services.source.partitions()] if isinstance(source, FileSource) else []


def _identity(path: Path) -> object:
    """Return what two paths of one file have in common, links included; None for a device, which all may share."""
    real = path.resolve()  # also of what leads through folders that are not there
    if not real.exists():
        return real
    found = real.stat()
    return (found.st_dev, found.st_ino) if real.is_file() else None
