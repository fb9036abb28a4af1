"""A small labelled history: two pumps, two spikes, and a flow over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

ROWS = 600
SPIKES = {200: 50.0, 500: 200.0}


def write_records(folder: Path) -> Path:
    """Write a series of 600 minutes with two spikes, a second one without any, and a column that marks them."""
    random = np.random.default_rng(7)
    lines = ["time,pump,load,odd"]
    for row in range(ROWS):
        for pump in ("a", "b"):
            odd = pump == "a" and row in SPIKES
            load = random.normal() + odd * SPIKES.get(row, 0.0)
            lines.append(f"2026-03-01T{row // 60:02}:{row % 60:02}:00Z,{pump},{load:.6f},{int(odd)}")
    path = folder / "records.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_labels(folder: Path) -> Path:
    """Write the windows of both spikes: the first begins two minutes before it."""
    path = folder / "labels.csv"
    path.write_text("series,start,end\na,2026-03-01T03:18:00Z,2026-03-01T03:25:00Z\na,2026-03-01T08:20:00Z,\n")
    return path


def write_flow(folder: Path, records: Path) -> Path:
    """Write a flow that judges the records by a z-score."""
    flow = {
        "flow": "pumps",
        "source": {"kind": "files", "path": str(records)},
        "record": {"time": {"field": "time"}, "values": ["load"], "series": ["pump"]},
        "detectors": [{"detector": "ew_zscore", "calibration": {"warm_up": 50}}],
        "alert": {"levels": {"watch": 2}},
        "output": {"alerts": {"kind": "terminal"}},
    }
    path = folder / "flow.yaml"
    path.write_text(yaml.safe_dump(flow))
    return path
