"""The ready flows of the repository, with the few changes that a test needs."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any, Final

import yaml

READY: Final = Path(__file__).parents[2] / "flows"

Tree = dict[str, Any]


def derived_flow(ready: str, path: Path, *changes: Tree) -> Path:
    """Write a ready flow with changes: sections are merged, anything else is replaced, None removes a key."""
    tree = yaml.safe_load((READY / f"{ready}.yaml").read_text())
    return write_flow(path, reduce(_merged, changes, tree))


def write_flow(path: Path, tree: Tree) -> Path:
    """Write a flow."""
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def _merged(tree: Tree, changes: Tree) -> Tree:
    merged = {**tree, **changes}
    for key, change in changes.items():
        if isinstance(change, dict) and isinstance(tree.get(key), dict):
            merged[key] = _merged(tree[key], change)
    return {key: value for key, value in merged.items() if value is not None}
