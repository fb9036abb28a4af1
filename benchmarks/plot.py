"""Draw what a record costs each program, from a run of the Kafka rows.

python benchmarks --only kafka --json run.json
python benchmarks/plot.py run.json docs/images/performance.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

_OURS, _PEERS = "#2b6cb0", "#a0aec0"


def bars_of(run: dict[str, Any]) -> list[tuple[str, float]]:
    """Return name and cost [us] of ours and each peer that ran, cheapest first."""
    rows = [row for row in run["rows"] if row["name"].startswith("Kafka to alert topic") and row["peer"] is not None]
    if not rows:
        raise ValueError("run must hold the Kafka rows with at least one peer, held none: add --only kafka")
    return sorted(
        [("pynomaly", rows[0]["ours"]), *((row["against"], row["peer"]) for row in rows)], key=lambda bar: bar[1]
    )


def draw(run: dict[str, Any], target: Path) -> None:
    """Write the picture; its suffix chooses the format."""
    bars = bars_of(run)
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(bars) + 1.3), layout="constrained")
    names, costs = [name for name, _ in bars], [cost for _, cost in bars]
    drawn = axes.barh(names, costs, color=[_OURS if name == "pynomaly" else _PEERS for name in names])
    axes.bar_label(drawn, [f"{cost:.2f} us  ({cost / costs[0]:.1f}x)" for cost in costs], padding=4)
    axes.invert_yaxis()
    axes.set_xlabel("CPU time of a record, from the Kafka topic to the alert topic [us], net of the start")
    axes.margins(x=0.22)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
