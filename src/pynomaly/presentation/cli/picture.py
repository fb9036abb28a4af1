"""A small picture of a series for the terminal: its course, its alerts and its labels over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from pynomaly.application.evaluate import Span
from pynomaly.domain.outcome import Level
from pynomaly.presentation.cli.history import History
from pynomaly.presentation.cli.result import printable

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_STEPS: Final = len(_BLOCKS) - 1
_ROWS: Final = 6
_MARGIN: Final = 10
_STYLES: Final = {Level.WATCH: "cyan", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}


def picture(history: History, labels: Sequence[Span], width: int) -> Text:
    """Draw a series ``width`` characters wide; each column shows its most unusual value and its highest alert."""
    columns = max(width - _MARGIN, 10)
    first_ns, last_ns = int(history.time_ns.min()), int(history.time_ns.max())
    column = ((history.time_ns - first_ns) * columns // (last_ns - first_ns + 1)).astype(np.int64)
    heights = _most_unusual(history.value, column, columns)
    lines = [Text(printable(history.field), "bold"), *_bars(heights)]
    lines.append(_line("alerts", _marks(history.level, column, columns)))
    if labels:
        lines.append(_line("labels", Text(_spans(labels, first_ns, last_ns, columns), "green")))
    lines.append(_line("", Text(_ends(first_ns, last_ns, columns), "dim")))
    return Text("\n").join(lines)


def _most_unusual(value: NDArray[np.float64], column: NDArray[np.int64], columns: int) -> NDArray[np.float64]:
    """Return for each column the value farthest from the median; NaN where the series has a hole."""
    heights = np.full(columns, np.nan)
    order = np.argsort(np.abs(value - np.median(value)), kind="stable")
    heights[column[order]] = value[order]  # the last one written is the farthest
    return heights


def _bars(heights: NDArray[np.float64]) -> list[Text]:
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    scale = (_ROWS * _STEPS - 1) / (high - low) if high > low else 0.0
    filled = np.rint(np.nan_to_num((heights - low) * scale + 1)).astype(int)
    lines: list[Text] = []
    for row in range(_ROWS - 1, -1, -1):
        steps = np.clip(filled - row * _STEPS, 0, _STEPS)
        name = f"{high:.4g}" if row == _ROWS - 1 else f"{low:.4g}" if row == 0 else ""
        lines.append(_line(name, Text("".join(_BLOCKS[step] for step in steps), "blue")))
    return lines


def _marks(level: NDArray[np.uint8], column: NDArray[np.int64], columns: int) -> Text:
    highest = np.zeros(columns, np.uint8)
    np.maximum.at(highest, column, level)
    marks = Text()
    for height in highest:
        marks.append("▲" if height else " ", _STYLES.get(Level(int(height)), ""))
    return marks


def _spans(labels: Sequence[Span], first_ns: int, last_ns: int, columns: int) -> str:
    drawn = [" "] * columns
    for start_ns, end_ns in labels:
        first, last = ((moment - first_ns) * columns // (last_ns - first_ns + 1) for moment in (start_ns, end_ns - 1))
        for place in range(max(first, 0), min(last, columns - 1) + 1):
            drawn[place] = "━"
    return "".join(drawn)


def _ends(first_ns: int, last_ns: int, columns: int) -> str:
    first, last = (str(np.datetime64(moment, "ns").astype("datetime64[D]")) for moment in (first_ns, last_ns))
    return first + last.rjust(columns - len(first))


def _line(name: str, drawn: Text) -> Text:
    return Text.assemble((f"{name:>{_MARGIN - 2}}  ", "dim"), drawn)
