"""Flows from YAML files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import yaml

from pynomaly.application.spec.complaint import Complaint
from pynomaly.application.spec.complaint import Path as KeyPath
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.domain.error import ConfigError, MissingInputError, Problem
from pynomaly.infrastructure.reference import Resolution


def load_flow(path: Path, environment: Mapping[str, str]) -> FlowSpec:
    """Read a flow.

    Parameters
    ----------
    path
        A YAML file; JSON is YAML too.
    environment
        What ``${NAME}`` and ``${NAME:-default}`` refer to.

    Raises
    ------
    MissingInputError
        When there is no such file, or it cannot be read.
    ConfigError
        With everything that is wrong with the flow; contents of variables and client settings are not shown.
    """
    node = _compose(path)
    if node is None:
        raise ConfigError(Problem(str(path), "must hold a flow, was empty"))
    resolution = Resolution(environment)
    complaints = list(_repeated_keys(node, (), set()))
    tree = resolution.resolve(_construct(node, path))
    return parse_flow(tree, origins=resolution.origins, complaints=[*complaints, *resolution.complaints])


def written_tree(path: Path) -> dict[str, object]:
    """Return what the file of a sound flow says, with its references to the environment as they stand there.

    Raises
    ------
    MissingInputError
        When there is no such file, or it cannot be read.
    ConfigError
        When it is not YAML, or holds no flow.
    """
    node = _compose(path)
    tree = None if node is None else _construct(node, path)
    if not isinstance(tree, Mapping):
        raise ConfigError(Problem(str(path), "must hold a flow, did not"))
    return dict(cast("Mapping[str, object]", tree))


def _compose(path: Path) -> yaml.Node | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingInputError(f"flow {path} must be a readable file, was not: {error.strerror}") from error
    try:
        return yaml.compose(content, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise _not_yaml(path, error) from error


def _construct(node: yaml.Node, path: Path) -> object:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date such as 2024-02-31
        raise _not_yaml(path, error) from error
    finally:
        loader.dispose()


def _not_yaml(path: Path, error: Exception) -> ConfigError:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    where = str(path) if mark is None else f"{path}:{mark.line + 1}:{mark.column + 1}"
    # Never the error's own text: it quotes the line, which may hold a secret.
    what = error.problem if isinstance(error, yaml.MarkedYAMLError) else None
    return ConfigError(Problem(where, f"must be plain YAML: {what or type(error).__name__}"))


def _repeated_keys(node: yaml.Node, path: KeyPath, seen: set[int]) -> Iterator[Complaint]:
    """Find keys that a mapping gives twice: YAML would silently keep the last one."""
    if id(node) in seen:
        return  # an alias
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(cast("list[yaml.Node]", node.value)):
            yield from _repeated_keys(entry, (*path, index), seen)
    if isinstance(node, yaml.MappingNode):
        yield from _repeated_in(node, path)
        for key, value in _pairs(node):
            yield from _repeated_keys(value, (*path, str(key.value)), seen)


def _repeated_in(node: yaml.MappingNode, path: KeyPath) -> Iterator[Complaint]:
    first: dict[str, int] = {}
    for key, _ in _pairs(node):
        line, name = key.start_mark.line + 1, str(key.value)
        if name in first:
            yield Complaint((*path, name), f"must be given once, was given in line {first[name]} and in line {line}")
        first.setdefault(name, line)


def _pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    return cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
