"""Steps of the dataflow: parts of the ids under which the recovery store keeps rows, so they never change."""

from __future__ import annotations

from typing import Final

RECORDS: Final = "records"
UNKEYED: Final = "unkeyed-records"
ENGINE: Final = "engine"


def output_step(name: str) -> str:
    """Return the step of an output."""
    return f"output-{name}"


def step_of(step_id: str) -> str:
    """Return the step of a row of the store, whose id begins with the name of the flow."""
    return step_id.partition(".")[2]
