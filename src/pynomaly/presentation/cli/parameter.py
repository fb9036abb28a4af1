"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FlowFile = Annotated[Path, typer.Argument(metavar="FLOW", help="Flow file (YAML).", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print results as one JSON object.")]
StateFolderOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Folder of the durable state; by default state/ and the flow's name.",
        show_default=False,
    ),
]


def default_state_folder(flow: str) -> Path:
    """Return where a flow keeps its state if nobody says otherwise."""
    return Path("state") / flow
