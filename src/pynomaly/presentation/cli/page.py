"""The reference page of the command line: ``python -m pynomaly.presentation.cli.page > docs/cli.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, Final

import typer

from pynomaly.application.exit_status import BUG
from pynomaly.presentation.cli.exit_status import EXIT_STATUSES, INTERRUPTED, UNREAD
from pynomaly.presentation.cli.main import PROGRAM, app

_PIPE: Final = r"\|"
_HEAD: Final = """# The command line

Made from the program itself by `python -m pynomaly.presentation.cli.page > docs/cli.md`.

Results go to standard output; logs, progress and errors to standard error. `--json` makes results one JSON object.
Colours are left out where `NO_COLOR` is set or nobody watches. `pynomaly --install-completion` teaches your shell the
commands and options. An error is one line, `error: <what>: <what must hold>`; `pynomaly --debug COMMAND` shows its
traceback as well.
"""


def command_page() -> str:
    """Return the page as Markdown."""
    root: Any = typer.main.get_command(app)
    lines = [_HEAD, *_options(root, "Options before the command"), *_commands(root, ()), *_exit_statuses()]
    return "\n".join(lines)


def _commands(group: Any, path: Sequence[str]) -> Iterator[str]:
    for name, command in group.commands.items():
        full = (*path, name)
        if hasattr(command, "commands"):
            yield from _commands(command, full)
        else:
            yield from _command(command, full)


def _command(command: Any, path: Sequence[str]) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = " ".join([PROGRAM, *path, *(argument.metavar for argument in arguments)])
    yield f"## `{usage}`\n"
    yield f"{inspect.cleandoc(command.help)}\n"
    for argument in arguments:
        yield f"- `{argument.metavar}`: {argument.help}"
    if arguments:
        yield ""
    yield from _options(command, None)


def _options(command: Any, title: str | None) -> Iterator[str]:
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    if not options:
        return
    if title is not None:
        yield f"## {title}\n"
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for option in options:
        yield f"| {_spelling(option)} | {_default(option)} | {option.help} |"
    yield ""


def _spelling(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.is_flag or option.metavar is None:
        return names
    value = option.metavar.replace("|", _PIPE)
    return f"{names} `{value}`"


def _default(option: Any) -> str:
    if option.required:
        return "must be given"
    if option.is_flag or option.default in (None, [], ()):
        return ""
    value = option.default.value if isinstance(option.default, Enum) else option.default
    return f"`{value}`"


def _exit_statuses() -> Iterator[str]:
    yield "## Exit status\n"
    yield "| status | meaning |"
    yield "|---|---|"
    meanings = {0: "done; for `run` also after SIGTERM or SIGINT: drained and saved"}
    for status in EXIT_STATUSES:
        meanings[status.code] = "; ".join(filter(None, (meanings.get(status.code), status.meaning)))
    meanings[BUG] = "a bug in pynomaly: the traceback is on standard error, please report it"
    meanings[INTERRUPTED] = "interrupted (not while a flow runs)"
    meanings[UNREAD] = "whoever read standard output went away"
    for code in sorted(meanings):
        yield f"| {code} | {meanings[code]} |"


if __name__ == "__main__":
    sys.stdout.write(f"{command_page()}\n")
