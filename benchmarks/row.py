"""What a benchmark measured beside what it was measured against, and the table of all of it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("pynomaly-streaming", "bytewax", "confluent-kafka", "numba", "numpy", "orjson", "river")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    name
        What was measured, with its unit.
    ours, peer
        The figures; the peer's is None where a row has a limit instead of a peer, or the peer did not run.
    against
        The peer, by name.
    ratio
        What the target is about; None where there is nothing to compare with.
    target
        The least (or, with `at_most`, the largest) ratio that holds; None where a figure is only reported.
    raw
        Every measurement behind the figures.
    """

    name: str
    ours: float
    ratio: float | None
    target: float | None
    peer: float | None = None
    against: str = ""
    at_most: bool = False
    raw: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def holds(self) -> bool:
        """Whether the target is met."""
        if self.target is None or self.ratio is None:
            return True
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def cells(self) -> tuple[str, ...]:
        """Return the columns of the table."""
        bound = "" if self.target is None else f"{'<=' if self.at_most else '>='} {self.target:,g}"
        peer = self.against if self.peer is None else f"{_figure(self.peer)} {self.against}"
        ratio = "" if self.ratio is None else _figure(self.ratio)
        holds = "" if self.target is None else "yes" if self.holds else "NO"
        return self.name, _figure(self.ours), peer, ratio, bound, holds


_HEADINGS = ("row", "ours", "peer", "ratio", "target", "holds")


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out as a Markdown table."""
    lines = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def machine() -> dict[str, str]:
    """Describe what the figures depend on, without names of hosts."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = " ".join(f"{average:.1f}" for average in os.getloadavg())
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "load average": load,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def as_json(rows: Iterable[Row]) -> str:
    """Return rows and machine with all raw measurements."""
    return json.dumps({"machine": machine(), "rows": [{**asdict(row), "holds": row.holds} for row in rows]}, indent=2)


def _figure(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return platform.processor()
    names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()
