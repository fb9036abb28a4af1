"""Entry point: reads the command line, runs one command, and turns what goes wrong into a line and an exit status.

Every command imports what it needs when it runs, so that help and completion answer at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from pynomaly.presentation.cli.alerts import tail_alerts
from pynomaly.presentation.cli.backtest import backtest
from pynomaly.presentation.cli.dead_letters import list_letters, show_letter
from pynomaly.presentation.cli.detect import detect
from pynomaly.presentation.cli.detectors import list_detectors, show_detector
from pynomaly.presentation.cli.doctor import doctor
from pynomaly.presentation.cli.evaluate import evaluate
from pynomaly.presentation.cli.exit_status import UNREAD, error_lines, exit_code, is_foreseen
from pynomaly.presentation.cli.explain import explain_record
from pynomaly.presentation.cli.flows import explain_flow, print_asyncapi, print_schema, validate_flow
from pynomaly.presentation.cli.redrive import redrive_letters
from pynomaly.presentation.cli.replay import replay_flow
from pynomaly.presentation.cli.result import print_text, standard_output
from pynomaly.presentation.cli.run import run_flow
from pynomaly.presentation.cli.search import search
from pynomaly.presentation.cli.state import back_up_state, restore_state, seal_state, show_state
from pynomaly.presentation.cli.topics import create_topics
from pynomaly.presentation.cli.version import show_version

PROGRAM = "pynomaly"


@dataclass(slots=True)
class Session:
    """What the options before the command say."""

    debug: bool = False


def _begin(
    context: typer.Context,
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of every error."),
) -> None:
    """Find anomalies in streams of records: live, again, or in a file."""
    session = context.find_object(Session)
    if session is not None:
        session.debug = debug
    if context.invoked_subcommand is None:
        print_text(context.get_help())


def _show_help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print_text(context.get_help())


def _program() -> typer.Typer:
    # No markup: it would load rich, and help would take three times as long.
    made = typer.Typer(name=PROGRAM, rich_markup_mode=None, callback=_begin, invoke_without_command=True)
    made.command("run")(run_flow)
    made.command("replay")(replay_flow)
    made.command("detect")(detect)
    made.command("explain")(explain_record)
    made.command("evaluate")(evaluate)
    made.command("backtest")(backtest)
    made.command("search")(search)
    made.add_typer(_alerts())
    made.add_typer(_flows())
    made.add_typer(_detectors())
    made.add_typer(_dead_letters())
    made.add_typer(_topics())
    made.add_typer(_state())
    made.command("doctor")(doctor)
    made.command("version")(show_version)
    return made


def _alerts() -> typer.Typer:
    made = typer.Typer(name="alerts", help="Look at what flows have alerted of.", rich_markup_mode=None)
    made.callback(invoke_without_command=True)(_show_help)
    made.command("tail")(tail_alerts)
    return made


def _flows() -> typer.Typer:
    made = typer.Typer(name="flows", help="Check, explain and describe flow files.", rich_markup_mode=None)
    made.callback(invoke_without_command=True)(_show_help)
    made.command("validate")(validate_flow)
    made.command("explain")(explain_flow)
    made.command("schema")(print_schema)
    made.command("asyncapi")(print_asyncapi)
    return made


def _detectors() -> typer.Typer:
    made = typer.Typer(name="detectors", help="Say which detectors there are.", rich_markup_mode=None)
    made.callback(invoke_without_command=True)(_show_help)
    made.command("list")(list_detectors)
    made.command("show")(show_detector)
    return made


def _dead_letters() -> typer.Typer:
    made = typer.Typer(name="dlq", help="Read dead letters, and produce their records again.", rich_markup_mode=None)
    made.callback(invoke_without_command=True)(_show_help)
    made.command("list")(list_letters)
    made.command("show")(show_letter)
    made.command("redrive")(redrive_letters)
    return made


def _topics() -> typer.Typer:
    made = typer.Typer(name="topics", help="Make the topics that flows need.", rich_markup_mode=None)
    made.callback(invoke_without_command=True)(_show_help)
    made.command("create")(create_topics)
    return made


def _state() -> typer.Typer:
    made = typer.Typer(
        name="state", help="Look at saved state, seal it, copy it and bring it back.", rich_markup_mode=None
    )
    made.callback(invoke_without_command=True)(_show_help)
    made.command("show")(show_state)
    made.command("seal")(seal_state)
    made.command("backup")(back_up_state)
    made.command("restore")(restore_state)
    return made


app = _program()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status; `EXIT_STATUSES` says what each means."""
    session = Session()
    try:
        status = app(arguments, prog_name=PROGRAM, standalone_mode=False, obj=session)
        with standard_output() as output:
            output.flush()
    except BrokenPipeError:
        return _unread()
    except SystemExit as end:  # what Typer makes of a reader that went away
        if isinstance(end.__context__, BrokenPipeError):
            return _unread()
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost handler: all end here
        return _report(error, session)
    return status if isinstance(status, int) else os.EX_OK


def _report(error: Exception | KeyboardInterrupt, session: Session) -> int:
    _settle_output()
    if isinstance(error, KeyboardInterrupt):
        return exit_code(error)
    if session.debug or not is_foreseen(error):
        traceback.print_exception(error)
    code = exit_code(error)
    lines = error_lines(error) if is_foreseen(error) else ["error: this is a bug in pynomaly: please report it"]
    if code == os.EX_USAGE:
        lines.append(f"see `{PROGRAM} --help`")
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return code


def _unread() -> int:
    _settle_output()
    return UNREAD


def _settle_output() -> None:
    """Let the interpreter's own flush at exit find an open end, if standard output refuses what it still holds."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
