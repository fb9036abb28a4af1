"""A small picture of a series for the terminal: its course, its alerts and its labels over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from pynomaly.application.evaluate import Span
from pynomaly.domain.outcome import Level
from pynomaly.presentation.cli.history import Alert, History
from pynomaly.presentation.cli.level_style import LEVEL_STYLES
from pynomaly.presentation.cli.result import printable

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_STEPS: Final = len(_BLOCKS) - 1
_ROWS: Final = 6
_MARGIN: Final = 10


def picture(history: History, labels: Sequence[Span], width: int) -> Text:
    """Draw a series ``width`` characters wide; each column shows its most unusual value and its highest alert."""
    columns = max(width - _MARGIN, 10)
    span = int(history.time_ns.min()), int(history.time_ns.max())
    heights = _most_unusual(history.value, _columns(history.time_ns, span, columns), columns)
    lines = [Text(printable(history.field), "bold"), *_bars(heights)]
    lines.append(_line("alerts", _marks(history.alerts, span, columns)))
    if labels:
        lines.append(_line("labels", Text(_spans(labels, span, columns), "green")))
    lines.append(_line("", Text(_ends(span, columns), "dim")))
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


def _columns(time_ns: NDArray[np.int64], span: Span, columns: int) -> NDArray[np.int64]:
    """Return the column of each moment; what lies outside the drawn span falls outside the columns."""
    first_ns, last_ns = span
    return (time_ns - first_ns) * columns // (last_ns - first_ns + 1)


def _marks(alerts: Sequence[Alert], span: Span, columns: int) -> Text:
    highest = np.zeros(columns, np.uint8)
    times = np.array([alert.time_ns for alert in alerts], np.int64)
    places = np.clip(_columns(times, span, columns), 0, columns - 1)
    np.maximum.at(highest, places, np.array([alert.level for alert in alerts], np.uint8))
    marks = Text()
    for height in highest:
        marks.append("▲" if height else " ", LEVEL_STYLES.get(Level(int(height)), ""))
    return marks


def _spans(labels: Sequence[Span], span: Span, columns: int) -> str:
    drawn = [" "] * columns
    for start_ns, end_ns in labels:
        first, last = _columns(np.array([start_ns, end_ns - 1]), span, columns).tolist()
        for place in range(max(first, 0), min(last, columns - 1) + 1):
            drawn[place] = "━"
    return "".join(drawn)


def _ends(span: Span, columns: int) -> str:
    first, last = (str(np.datetime64(moment, "ns").astype("datetime64[D]")) for moment in span)
    return first + last.rjust(columns - len(first))


def _line(name: str, drawn: Text) -> Text:
    return Text.assemble((f"{name:>{_MARGIN - 2}}  ", "dim"), drawn)
