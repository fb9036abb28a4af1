"""The table of what the fault tests measured: printed by each, and written to one file at the end of the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pytest

_PROPERTY: Final = "fault"
_FILE: Final = "build/faults.md"
_HEAD: Final = (
    "| row | fault | records | faults | lost | repeated | recovery s | |",
    "|---:|---|---:|---:|---:|---:|---:|---|",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one fault did to a flow, as the verifier counts it.

    Parameters
    ----------
    row
        Of the fault matrix in docs/reliability.md.
    fault
        In a few words.
    records
        That the input held.
    lost
        Records without an outcome, and events that the flow without faults has and this one has not.
    repeated
        Messages beyond the first of their id.
    faults
        How often it struck.
    recovery_s
        From the end of the fault to the record that shows that the flow goes on; None where nothing recovers.
    note
        Anything else that was measured.
    """

    row: int
    fault: str
    records: int
    lost: int
    repeated: int
    faults: int = 1
    recovery_s: float | None = None
    note: str = ""

    @property
    def line(self) -> str:
        """A line of the table."""
        recovery = "" if self.recovery_s is None else f"{self.recovery_s:.1f}"
        cells = (self.row, self.fault, f"{self.records:,}", self.faults, self.lost, self.repeated, recovery, self.note)
        return f"| {' | '.join(map(str, cells))} |"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[Figures], None]:
    """Print figures of a fault and keep them for the table."""

    def keep(figures: Figures) -> None:
        print(figures.line)  # noqa: T201
        record_property(_PROPERTY, json.dumps(asdict(figures)))

    return keep


def table(found: Iterable[Figures]) -> str:
    """Return the table, in the order of the matrix."""
    lines = [figures.line for figures in sorted(found, key=lambda figures: (figures.row, figures.fault))]
    return "\n".join((*_HEAD, *lines, ""))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the table of a run in which fault tests ran, under their processes too."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    told = [value for report in reports for name, value in report.user_properties if name == _PROPERTY]
    if told:
        file = config.rootpath / _FILE
        file.parent.mkdir(exist_ok=True)
        file.write_text(table(Figures(**json.loads(value)) for value in told))
        terminalreporter.write_line(f"figures of {len(told)} faults: {Path(_FILE)}")
