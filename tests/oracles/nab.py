"""The files and labels of the Numenta Anomaly Benchmark, where they are beside the checkout."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

NAB: Final = Path(__file__).parents[2] / "../shared/data/nab"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file: event times [ns], values, and the first and last row of each labelled window."""

    time_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    windows: tuple[tuple[int, int], ...]


@cache
def corpus() -> dict[str, Labelled]:
    """Read all files by their names."""
    labels = json.loads((NAB / "labels/combined_windows.json").read_text())
    return {name: _read(name, windows) for name, windows in labels.items()}


def _read(name: str, windows: list[list[str]]) -> Labelled:
    with (NAB / "data" / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = np.array([row["timestamp"] for row in rows], "datetime64[ns]").astype(np.int64)
    values = np.array([float(row["value"]) for row in rows])
    bounds = np.array(windows, "datetime64[ns]").astype(np.int64).reshape(-1, 2)
    inside = [np.flatnonzero((times >= first) & (times <= last)) for first, last in bounds.tolist()]
    return Labelled(times, values, tuple((int(rows[0]), int(rows[-1])) for rows in inside))
