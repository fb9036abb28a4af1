"""Small files of the state that are sealed where the flow has a key; each for the place of its name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pynomaly.domain.seal import UNSEALED, SealError, Seals
from pynomaly_connectors.durable_file import replace_durably


@dataclass(frozen=True, slots=True)
class LedgerFolder:
    """A folder of such files, as adapters are given it.

    Parameters
    ----------
    path
        Lives and dies with the flow's state.
    seals
        Of this folder.
    """

    path: Path
    seals: Seals = UNSEALED


def read_sealed(path: Path, seals: Seals) -> bytes:
    """Return the content of a file.

    Raises
    ------
    OSError
        When it cannot be read.
    SealError
        Naming the file, when its seal does not hold.
    """
    sealed = path.read_bytes()
    with _naming(path):
        return seals.open(sealed, path.name)


def renewed_file(path: Path, sealed: bytes, seals: Seals, *, adopt: bool) -> bytes:
    """Return what was read from a file, sealed with the present key; raises as `read_sealed`."""
    with _naming(path):
        return seals.renewed(sealed, path.name, adopt=adopt)


def replace_sealed(path: Path, content: bytes, seals: Seals) -> None:
    """Put a file in place of another, or of none; return when it is durable."""
    replace_durably(path, seals.seal(content, path.name))


@contextmanager
def _naming(path: Path) -> Generator[None]:
    try:
        yield
    except SealError as error:
        raise SealError(f"{path}: {error}") from None
