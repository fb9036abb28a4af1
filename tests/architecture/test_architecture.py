"""The house rules that import-linter does not see."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PRODUCT = sorted(path for folder in ("src", "connectors", "flows") for path in (_ROOT / folder).rglob("*.py"))
_DOMAIN = [path for path in _PRODUCT if "domain" in path.parts]
_IMPURE = {
    "asyncio", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil",
    "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
_LOG_LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc", "manager", "service", "impl"}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _name(path: Path) -> str:
    return str(path.relative_to(_ROOT))


@pytest.mark.parametrize("path", _DOMAIN, ids=_name)
def test_domain_is_pure(path: Path) -> None:
    """The domain imports itself, numpy, numba and those parts of the standard library that touch no world."""
    roots = {name.split(".")[0] for name in _imported(path)}
    allowed = {"pynomaly", "numpy", "numba", "__future__"}
    foreign = {root for root in roots - allowed if root not in sys.stdlib_module_names}
    assert not foreign
    assert not roots & _IMPURE


@pytest.mark.parametrize("path", _PRODUCT, ids=_name)
def test_files_stay_small(path: Path) -> None:
    """A module of more than 400 lines is split by concept."""
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", _PRODUCT, ids=_name)
def test_names_say_something(path: Path) -> None:
    """No module is called after nothing."""
    assert not ({path.stem, *path.relative_to(_ROOT).parts[:-1]} & _EMPTY_NAMES)


@pytest.mark.parametrize("path", _PRODUCT, ids=_name)
def test_functions_stay_short(path: Path) -> None:
    """A function of more than 40 lines of body is split; compiled loops may take 70."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
            is_compiled = any(isinstance(mark, ast.Name) and mark.id == "compiled" for mark in node.decorator_list)
            assert lines <= (70 if is_compiled else 40), f"{node.name} has {lines} lines"


def test_only_one_module_reads_pickle() -> None:
    """What reads pickles refuses all but an exact list of names."""
    readers = {_name(path) for path in _PRODUCT if "pickle" in set(_imported(path))}
    assert readers <= {
        "flows/pynomaly_flows/unpickling.py",
        "src/pynomaly/infrastructure/adapted/restricted_pickle.py",
    }


def test_only_the_edge_reads_the_environment() -> None:
    """`os.environ` is read where a program starts, and handed on as a value."""
    readers = {_name(path) for path in _PRODUCT if "os.environ" in path.read_text() or "getenv" in path.read_text()}
    assert readers <= {
        "flows/pynomaly_flows/target.py",
        "src/pynomaly/presentation/cli/environment.py",
        "src/pynomaly/infrastructure/adapted/fit_process.py",
    }


def _logged(path: Path) -> Iterator[ast.Call]:
    """Yield the calls that write a log line: on a module's logger, or on one that structlog gives."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOG_LEVELS:
            logger = ast.unparse(node.func.value)
            if logger in {"_log", "log", "_logger", "logger"} or "get_logger(" in logger or "getLogger(" in logger:
                yield node


@pytest.mark.parametrize("path", _PRODUCT, ids=_name)
def test_log_events_are_constant_words(path: Path) -> None:
    """A log line is one event in snake_case with its facts beside it, never a sentence made of them."""
    for call in _logged(path):
        event = call.args[0] if len(call.args) == 1 else None
        word = event.value if isinstance(event, ast.Constant) else None
        assert isinstance(word, str), ast.unparse(call)
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", word), ast.unparse(call)
