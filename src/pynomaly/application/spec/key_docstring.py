"""What stands below the keys of a section in the source: their documentation."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from textwrap import dedent


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
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return {}  # made at run time, or of another language
    body = ast.parse(dedent(source)).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    return {
        first.target.id: inspect.cleandoc(second.value.value)
        for first, second in pairwise(statements)
        if isinstance(first, ast.AnnAssign)
        and isinstance(first.target, ast.Name)
        and isinstance(second, ast.Expr)
        and isinstance(second.value, ast.Constant)
        and isinstance(second.value.value, str)
    }
