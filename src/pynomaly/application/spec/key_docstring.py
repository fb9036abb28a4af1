"""What stands below the keys of a section in the source: their documentation."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise


def key_docstrings(section: type) -> dict[str, str]:
    """Return the docstrings of a class's annotated attributes, inherited ones included.

    Examples
    --------
    >>> from pynomaly.application.spec.sink import MemorySink
    >>> key_docstrings(MemorySink)["topic"]
    'Topic to write.'
    """
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        found.update(_own_docstrings(kind))
    return found


def _own_docstrings(kind: type) -> dict[str, str]:
    definition = _classes(kind.__module__).get(kind.__qualname__)
    return {} if definition is None else dict(_documented(definition))


@cache  # a module is read once, not once for each of its classes and all that inherit from them
def _classes(module: str) -> dict[str, ast.ClassDef]:
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError):
        return {}  # made at run time, or of another language
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _documented(definition: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for first, second in pairwise(definition.body):
        match first, second:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)
            case _:
                pass
