"""References to the environment in the scalars of a parsed file: `${NAME}` and `${NAME:-default}`.

They are resolved after parsing, so that what a variable holds can never become a key, a list or another scalar.
``$${`` stands for the characters ``${``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from pynomaly.application.spec.complaint import Complaint, Path
from pynomaly.domain.error import ConfigError, Problem

_REFERENCE: Final = re.compile(r"(?P<escape>\$)?\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\})?")
_DEEPEST: Final = 40
_MOST_VALUES: Final = 100_000  # aliases of YAML can make a short file huge


@dataclass(slots=True)
class Resolution:
    """Resolves the references of one tree, and notes where they stood.

    Parameters
    ----------
    environment
        Name -> value; empty values count as missing where a reference has a default.
    origins
        Path of every scalar that came from the environment -> how the file refers to it.
    complaints
        What could not be resolved.
    """

    environment: Mapping[str, str]
    origins: dict[Path, str] = field(default_factory=dict[Path, str])
    complaints: list[Complaint] = field(default_factory=list[Complaint])
    _visited: int = 0

    def resolve(self, node: object, path: Path = ()) -> object:
        """Return the tree with references replaced by what they refer to.

        Raises
        ------
        ConfigError
            When the tree is larger than any flow.
        """
        self._visited += 1
        if len(path) > _DEEPEST or self._visited > _MOST_VALUES:
            limit = f"must hold at most {_MOST_VALUES} values, nested at most {_DEEPEST} deep"
            raise ConfigError(Problem("flow file", limit))
        if isinstance(node, dict):
            entries = cast("dict[str, object]", node).items()
            return {key: self.resolve(value, (*path, key)) for key, value in entries}
        if isinstance(node, list):
            values = cast("list[object]", node)
            return [self.resolve(value, (*path, index)) for index, value in enumerate(values)]
        return self._text(node, path) if isinstance(node, str) and "${" in node else node

    def _text(self, text: str, path: Path) -> str:
        return _REFERENCE.sub(lambda match: self._value(match, path), text)

    def _value(self, match: re.Match[str], path: Path) -> str:
        if match["escape"]:
            return match[0][1:]
        name, default = match["name"], match["default"]
        if name is None or "${" in (default or ""):
            rule = "must refer to the environment as ${NAME} or ${NAME:-default} (write $${ for the characters ${)"
            self.complaints.append(Complaint(path, rule))
            return match[0]
        self.origins[path] = f"${{{name}}}"
        value = self.environment.get(name)
        if default is not None:
            return value or default.removeprefix(":-")
        if value is None:
            self.complaints.append(Complaint(path, f"must have the environment variable {name}, which is not set"))
            return match[0]
        return value
