"""The program around the commands: help, versions, exit statuses, errors on one line."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from pynomaly.domain.error import (
    BadRecordError,
    ConfigError,
    DeliveryError,
    MissingInputError,
    Problem,
    StateError,
    TransientError,
    UnavailableError,
)
from pynomaly.presentation.cli import version
from pynomaly.presentation.cli.exit_status import error_lines, exit_code
from pynomaly.presentation.cli.main import app, main
from pynomaly.presentation.cli.page import command_page
from pynomaly.presentation.cli.result import OutputError

_PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_RUN = [sys.executable, "-c", "import sys; from pynomaly.__main__ import run; sys.exit(run())"]
_HEAVY = ("numba", "numpy", "bytewax", "river", "confluent_kafka", "rich", "matplotlib", "pandas")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["detect", "--help"], ["flows", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help needs no library but the command-line one."""
    heavy = (*_HEAVY, "pydantic")
    code = (
        "import sys, json; from pynomaly.presentation.cli.main import main; main(sys.argv[1:])\n"
        f"sys.stderr.write(json.dumps([name for name in {heavy!r} if name in sys.modules]))"
    )
    finished = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    loaded = json.loads(finished.stderr)
    # Typer itself checks the arguments of a command with pydantic; the program's own help needs none.
    assert loaded == [] if arguments == ["--help"] else set(loaded) <= {"pydantic"}
    assert "Usage: pynomaly" in finished.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["version"]])
def test_help_and_version_answer_at_once(arguments: list[str]) -> None:
    """The best of five starts takes less than a second of processor time: on an idle machine that is the wait."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*_RUN, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 1.0


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The bare program and the bare groups say what they can do."""
    for arguments in ([], ["flows"], ["detectors"]):
        assert main(arguments) == os.EX_OK
        assert "Commands:" in capsys.readouterr().out


def test_version_tells_what_results_depend_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Text and JSON hold the same versions."""
    assert main(["version"]) == os.EX_OK
    text = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert main(["version", "--json"]) == os.EX_OK
    assert json.loads(capsys.readouterr().out) == text
    assert {"pynomaly", "python", "numpy", "numba", "bytewax"} <= set(text)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rum"], "error: No such command 'rum'. Did you mean 'run'?"),
        (["run"], "error: Missing argument 'FLOW'."),
        (["run", "a.yaml", "--fast"], "error: No such option: --fast"),
        (
            ["replay", "a.yaml", "--batch-records", "0"],
            "error: Invalid value for '--batch-records': Input should be greater than or equal to 1, was '0'",
        ),
    ],
)
def test_a_command_line_that_cannot_be_read(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors are 64, on one line with a way to help."""
    assert main(arguments) == os.EX_USAGE
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(line)
    assert told[1] == "see `pynomaly --help`"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (typer.TyperException("?"), 64),
        (ConfigError(Problem("a", "must be b")), 78),
        (MissingInputError("a"), 66),
        (UnavailableError("a"), 69),
        (StateError("a"), 65),
        (BadRecordError("a"), 65),
        (TransientError("a"), 75),
        (DeliveryError("a"), 75),
        (OutputError("a"), 74),
        (PermissionError(13, "Permission denied"), 74),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (ZeroDivisionError(), 70),
    ],
)
def test_every_error_has_its_exit_status(error: BaseException, code: int) -> None:
    """The codes are those of sysexits.h."""
    assert exit_code(error) == code


def test_errors_are_one_line_each() -> None:
    """Every problem of a flow has its line; a text of several lines becomes one."""
    assert error_lines(ConfigError(Problem("a", "must be b"), Problem("c", "must be d"))) == [
        "error: a: must be b",
        "error: c: must be d",
    ]
    assert error_lines(StateError("state\n  must be whole")) == ["error: state must be whole"]


def test_our_errors_have_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees one line; --debug adds where it was raised."""
    missing = str(tmp_path / "none.yaml")
    assert main(["flows", "validate", missing]) == os.EX_NOINPUT
    told = capsys.readouterr().err
    assert told.startswith("error: flow ")
    assert len(told.splitlines()) == 1
    assert main(["--debug", "flows", "validate", missing]) == os.EX_NOINPUT
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What we did not foresee shows its traceback and exits with 70."""

    def broken() -> str:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(version.platform, "python_version", broken)
    assert main(["version"]) == os.EX_SOFTWARE
    told = capsys.readouterr().err
    assert "ZeroDivisionError: of ours" in told
    assert told.splitlines()[-1] == "error: this is a bug in pynomaly: please report it"


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C outside a flow ends with 130 and without a word."""
    monkeypatch.setattr(version.platform, "python_version", lambda: signal.raise_signal(signal.SIGINT))
    assert main(["version"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`pynomaly flows schema | head -1` says nothing on standard error."""
    with subprocess.Popen([*_RUN, "flows", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_no_colour_where_it_is_not_wanted() -> None:
    """Output to a file is plain, and stays plain with FORCE_COLOR when NO_COLOR is set."""
    for colours in ({}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        finished = subprocess.run(
            [*_RUN, "detectors", "list"], capture_output=True, text=True, check=True, env={**os.environ, **colours}
        )
        assert not re.search(r"\x1b\[3[0-9]", finished.stdout)


def test_the_page_is_current() -> None:
    """docs/cli.md is what the program makes, so every command and option is in it."""
    assert _PAGE.read_text() == f"{command_page()}\n", (
        "docs/cli.md must be current: python -m pynomaly.presentation.cli.page > docs/cli.md"
    )


def test_every_option_says_what_it_means() -> None:
    """No command, argument or option is without help."""
    root = typer.main.get_command(app)
    commands = [root, *root.commands.values()]  # type: ignore[attr-defined] # a group
    commands += [inner for group in commands[1:] for inner in getattr(group, "commands", {}).values()]
    for command in commands:
        assert command.help, command.name
        assert all(parameter.help for parameter in command.params), command.name


def test_the_script_is_the_whole_process() -> None:
    """The installed script keeps the garbage collector out of its start and its end, and has the command's status."""
    script = tomllib.loads(_PROJECT.read_text())["project"]["scripts"]["pynomaly"]
    module, _, function = script.partition(":")
    code = (
        f"import gc, sys; from {module} import {function} as script; status = script()\n"
        "assert gc.get_freeze_count() > 1_000; assert gc.get_threshold()[0] > 10_000; sys.exit(status)"
    )
    ended = subprocess.run([sys.executable, "-c", code, "run", "nowhere.yaml"], capture_output=True, check=False)
    assert (ended.returncode, b"nowhere.yaml" in ended.stderr) == (66, True), ended.stderr
