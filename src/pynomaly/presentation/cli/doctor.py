"""`pynomaly doctor`: will a flow run here, and what to do if not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, StateFolderOption, default_state_folder

if TYPE_CHECKING:
    from pynomaly.presentation.cli.finding import Finding


def doctor(
    flow: Annotated[
        Path | None, typer.Argument(metavar="[FLOW]", help="Flow file to look into as well.", show_default=False)
    ] = None,
    state: StateFolderOption = None,
    as_json: AsJson = False,
) -> int:
    """Check this machine, and for a flow its spec, input, outputs and state; the exit status is 69 if it cannot run.

    Nothing is changed. Brokers are asked within the flow's timeout.
    """
    from pynomaly.presentation.cli.finding import Status
    from pynomaly.presentation.cli.machine_checkup import examine_machine
    from pynomaly.presentation.cli.result import print_json

    findings = [*examine_machine(), *_examine_flow(flow, state)]
    failed = any(finding.status is Status.FAIL for finding in findings)
    if as_json:
        print_json({"sound": not failed, "findings": [finding.as_json() for finding in findings]})
    else:
        _print(findings)
    return os.EX_UNAVAILABLE if failed else os.EX_OK


def _examine_flow(flow: Path | None, state: Path | None) -> list[Finding]:
    from pynomaly.domain.error import PynomalyError
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.finding import failures, ok
    from pynomaly.presentation.cli.flow_checkup import examine_flow
    from pynomaly.presentation.cli.state_checkup import examine_state

    if flow is None:
        return [] if state is None else examine_state(state, None)
    try:
        spec = load_flow(flow, environment())
    except PynomalyError as error:
        return failures("flow", error)
    folder = default_state_folder(spec.flow) if state is None else state
    return [ok("flow", f"{flow} is valid"), *examine_flow(spec), *examine_state(folder, spec)]


def _print(findings: list[Finding]) -> None:
    from rich.text import Text

    from pynomaly.presentation.cli.finding import Status
    from pynomaly.presentation.cli.result import print_rich

    styles = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}
    for finding in findings:
        line = Text.assemble(
            (f"{finding.status.value:<4}", styles[finding.status]), f"  {finding.what}: {finding.text}"
        )
        print_rich(line, soft_wrap=True)
        if finding.remedy:
            print_rich(f"      {finding.remedy}", soft_wrap=True)
