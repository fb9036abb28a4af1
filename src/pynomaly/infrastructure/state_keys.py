"""The keys of a flow's state, from the flow or from the files that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pynomaly.application.spec.state import LEAST_CHARACTERS, StateSpec, is_strong
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.seal import SealKey

_MOST_BYTES: Final = 100_000


def state_keys(spec: StateSpec) -> tuple[SealKey, ...]:
    """Return the key that seals, then the earlier ones; none for a flow without a key.

    Files are read now, so a key that was changed counts from the next start on.

    Raises
    ------
    ConfigError
        Naming every file that holds no key.
    """
    keys, problems = list[SealKey](), list[Problem]()
    for place, given in _given(spec):
        try:
            keys.append(SealKey.of(given.encode() if isinstance(given, str) else _secret(given)))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(Problem(place, f"must be a file that holds a key, was {str(given)!r}: {reason}"))
    if problems:
        raise ConfigError(*problems)
    return tuple(dict.fromkeys(keys))


def _given(spec: StateSpec) -> Iterator[tuple[str, str | Path]]:
    if spec.key is not None:
        yield "state.key", spec.key.get_secret_value()
    if spec.key_file is not None:
        yield "state.key_file", Path(spec.key_file)
    for number, key in enumerate(spec.earlier_keys):
        yield f"state.earlier_keys[{number}]", key.get_secret_value()
    for number, file in enumerate(spec.earlier_key_files):
        yield f"state.earlier_key_files[{number}]", Path(file)


def _secret(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1).rstrip(b"\r\n")
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    if not is_strong(SecretStr(content.decode("latin-1"))):
        raise ValueError(f"it has fewer than {LEAST_CHARACTERS} characters")
    return content
