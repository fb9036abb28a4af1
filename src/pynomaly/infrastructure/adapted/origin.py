"""What a saved part must agree with before it is taken over: its settings and the libraries that shaped it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from pynomaly.domain.error import ConfigError, Problem, StateError


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote a state.

    Parameters
    ----------
    settings
        JSON values: kind of part, detector, parameters, fields, schedule.
    libraries
        Distribution -> version. Scores may change with any of them, so another version is another detector.
    """

    settings: Mapping[str, object]
    libraries: Mapping[str, str]

    @classmethod
    def of(cls, settings: Mapping[str, object], *distributions: str) -> Origin:
        """Name the installed versions of ``distributions``."""
        return cls(settings, {name: version(name) for name in distributions})

    def header(self) -> dict[str, object]:
        """Return what goes into the header of the saved state."""
        return {"settings": dict(self.settings), "libraries": dict(self.libraries)}

    def check(self, part: str, header: Mapping[str, object]) -> None:
        """Compare with the header of a saved state.

        Raises
        ------
        StateError
            At the first difference, with what to do.
        """
        saved = json.loads(json.dumps(header))
        for name, value in self.settings.items():
            _require(part, name, value, saved.get("settings", {}).get(name), "restore the flow as it was")
        for name, value in self.libraries.items():
            was = saved.get("libraries", {}).get(name)
            _require(part, name, value, was, f"install {name}=={was}")


def _require(part: str, name: str, expected: object, was: object, remedy: str) -> None:
    if was != expected:
        raise StateError(
            f"saved state of part {part}: {name} must be {expected!r}, was {was!r}; "
            f"{remedy}, or go on without the state"
        )


def json_params(params: Mapping[str, object]) -> dict[str, object]:
    """Return a copy of a detector's parameters as JSON would give them back.

    Raises
    ------
    ConfigError
        When one is no JSON value: it could not be part of a saved state.
    """
    try:
        copy: dict[str, object] = json.loads(json.dumps(dict(params), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(Problem("params", f"must be JSON values, was {params!r} ({error})")) from None
    return copy
