"""A picture of what was detected: values and what was expected, evidence and levels, alerts by level.

A panel is about a thousand pixels wide, so a long series is drawn as the lowest and highest value of each of that many
stretches: no spike is lost, and a file of a million records draws as fast as a short one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.evaluate import Span
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import NoTime
from pynomaly.domain.error import ConfigError, Problem, UnavailableError
from pynomaly.domain.outcome import Level, Outcomes
from pynomaly.domain.record import KeyColumn, Stream
from pynomaly_connectors.files.draft import Draft

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = NDArray[np.float64]
Bars = Mapping[Level, float]
Names = KeyColumn | Sequence[str]

SUFFIXES: Final = (".png", ".svg", ".pdf")
MOST_SERIES: Final = 4
MOST_FIELDS: Final = 8
_STRETCHES: Final = 1_000  # columns of a long series
WIDTH_IN: Final = 13.0
VALUE_IN: Final = 2.4
_EVIDENCE_IN: Final = 1.2
RESOLUTION: Final = 110  # pixels an inch
_LONGEST_NAME: Final = 60
_GOOD_PART: Final = 0.25  # of the evidence: a field with less is not marked
_LARGE: Final = 1e6  # from here on ticks read 10M, not 1e+07

VALUE: Final = "#33517a"
EXPECTED: Final = "#e08a3c"
EVIDENCE: Final = "#5b6770"
LABEL: Final = "#cfe8cf"
COLOURS: Final = {Level.WATCH: "#e6b800", Level.WARNING: "#f07c00", Level.CRITICAL: "#d0021b"}
_MARKERS: Final = {Level.WATCH: "v", Level.WARNING: "D", Level.CRITICAL: "o"}


@dataclass(frozen=True, slots=True)
class PlottedSeries:
    """One series.

    Parameters
    ----------
    name
        Its key.
    at
        ``(n,)`` event times as datetime64, or row numbers.
    values, expected
        ``(n, d)``, NaN where not known.
    evidence
        ``(n,)``, NaN where not known.
    level
        ``(n,)`` level of the alert, 0 where none.
    blamed
        ``(n, d)`` whether a good part of the evidence comes from that field.
    """

    name: str
    at: NDArray[Any]
    values: Numbers
    expected: Numbers
    evidence: Numbers
    level: NDArray[np.uint8]
    blamed: NDArray[np.bool_]

    @property
    def alerts(self) -> int:
        """How many of its records alerted."""
        return int(np.count_nonzero(self.level))


@dataclass(frozen=True, slots=True)
class _Judged:
    """Records or windows: ``at``, ``values``, ``slot`` and ``accepted`` have a row for each, as ``outcomes`` have."""

    at: NDArray[Any]
    values: Numbers
    slot: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    outcomes: Outcomes


class PlotRecorder:
    """Keeps what a picture needs of every judged record or window: about 40 bytes, and 17 for each field.

    Parameters
    ----------
    fields
        Names of the values that detectors see.
    parts
        Fields that each part looks at.
    has_clock
        Whether the records have a time; else their row numbers are drawn.
    """

    def __init__(self, fields: tuple[str, ...], parts: Sequence[Sequence[str]], *, has_clock: bool) -> None:
        self.fields = fields
        self.has_clock = has_clock
        self.judged = "record"  # or window, as soon as there are any
        self._looks_at = np.array([[name in part for name in fields] for part in parts])
        self._pieces: dict[tuple[Stream, str], list[tuple[NDArray[Any], ...]]] = defaultdict(list)

    @classmethod
    def of(cls, spec: FlowSpec) -> PlotRecorder:
        """Make the recorder of a flow."""
        return cls(
            spec.fields, [part.fields for part in spec.parts], has_clock=not isinstance(spec.record.time, NoTime)
        )

    def take(self, result: DetectionResult) -> None:
        """Keep a batch."""
        batch, windows = result.batch, result.windows
        if windows is None:
            at = batch.time_ns.view("datetime64[ns]") if self.has_clock else batch.offset
            self._keep(
                batch.stream, _Judged(at, batch.values, result.slot, batch.refusal == 0, result.outcomes), batch.key
            )
        else:
            self.judged = "window"
            closed = windows.closed
            at = closed.end_ns.view("datetime64[ns]")
            judged = _Judged(at, closed.values, closed.slot, closed.refusal == 0, windows.outcomes)
            self._keep(batch.stream, judged, windows.series)

    def _keep(self, stream: Stream, judged: _Judged, names: Names) -> None:
        rows = np.flatnonzero(judged.accepted)
        if not len(rows):  # nothing to draw, and outcomes that nobody scored have no columns
            return
        outcomes = judged.outcomes
        blamed = outcomes.contribution @ self._looks_at >= _GOOD_PART * outcomes.evidence[:, None]
        columns = (judged.at, judged.values, outcomes.expected, outcomes.evidence, outcomes.level, blamed)
        rows = rows[np.argsort(judged.slot[rows], kind="stable")]
        groups = np.split(rows, np.flatnonzero(np.diff(judged.slot[rows])) + 1)
        for own in sorted(groups, key=lambda own: int(own[0])):  # one that was evicted and came again has two numbers
            self._pieces[stream, _name_of(names[int(own[0])])].append(tuple(column[own] for column in columns))

    def series(self) -> list[PlottedSeries]:
        """Return the series, those with most alerts first."""
        found = [
            PlottedSeries(name, *map(np.concatenate, zip(*pieces, strict=True)))
            for (_, name), pieces in self._pieces.items()
        ]
        return sorted(found, key=lambda one: -one.alerts)


def _name_of(key: str | bytes) -> str:
    return key.decode() if isinstance(key, bytes) else key


def check_plot(path: Path, option: str = "--plot") -> None:
    """Refuse what could not be drawn, in the name of the option that asks for it.

    Raises
    ------
    ConfigError
        When the suffix is none of `SUFFIXES`, or matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(Problem(option, f"must end in {', '.join(SUFFIXES)}, was {path.name!r}"))
    if find_spec("matplotlib") is None:
        raise ConfigError(Problem(option, "must have matplotlib: pip install 'pynomaly-streaming[plot]'"))


def draw(recorder: PlotRecorder, bars: Bars, *, title: str, path: Path, labels: Sequence[Span] = ()) -> None:
    """Draw what was recorded into a file, with the spans that are known to be anomalous behind it.

    One field: a row of panels for each series, up to `MOST_SERIES`, those with most alerts. Several fields: a panel
    for each field of the series with most alerts, up to `MOST_FIELDS`.

    Raises
    ------
    UnavailableError
        When the file cannot be written.
    """
    figure = _figure(recorder, bars, title, labels)
    try:
        with Draft(path) as file:
            figure.savefig(file, dpi=RESOLUTION, format=path.suffix[1:].lower())
    except OSError as error:
        raise UnavailableError(f"{path} must be a file that can be written, was not: {error.strerror}") from error


def _figure(recorder: PlotRecorder, bars: Bars, title: str, labels: Sequence[Span] = ()) -> Figure:
    from matplotlib.figure import Figure

    known = recorder.series()
    columns = list(range(min(len(recorder.fields), MOST_FIELDS)))
    shown = known[: MOST_SERIES if len(recorder.fields) == 1 else 1]
    panels = max(len(shown), 1)
    heights = [*[VALUE_IN] * len(columns), _EVIDENCE_IN] * panels
    figure = Figure(figsize=(WIDTH_IN, sum(heights) + 0.9), layout="constrained")
    axes: list[Axes] = list(figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    for number, series in enumerate(shown):
        first = number * (len(columns) + 1)
        panel = axes[first : first + len(columns) + 1]
        _draw_series(panel, series, recorder, bars, named=len(known) > 1)
        _draw_labels(panel, labels)
    if not shown:
        say(axes, f"no {recorder.judged} could be used")
    figure.suptitle(_title(title, recorder.judged, known, shown), x=0.01, ha="left", fontsize=12, fontweight="bold")
    _legend(figure, axes)
    return figure


def _title(title: str, judged: str, known: Sequence[PlottedSeries], shown: Sequence[PlottedSeries]) -> str:
    alerts = sum(one.alerts for one in known)
    count = sum(len(one.at) for one in known)
    told = f"{plain(title)}: {alerts:,} alert{'' if alerts == 1 else 's'} in {count:,} {judged}s"
    return told if len(shown) == len(known) else f"{told} ({len(shown)} of {len(known)} series)"


def _draw_series(
    axes: Sequence[Axes], series: PlottedSeries, recorder: PlotRecorder, bars: Bars, *, named: bool
) -> None:
    *panels, last = axes
    for column, axis in enumerate(panels):
        _draw_values(axis, series, column)
        axis.set_ylabel(plain(recorder.fields[column]))
    if named:
        panels[0].set_title(f"series {plain(series.name)}", loc="left", fontsize=10)
    _draw_evidence(last, series, bars)
    time_axis(last, series.at, has_clock=recorder.has_clock)
    for axis in panels:
        axis.sharex(last)
        axis.tick_params(labelbottom=False)


def _draw_labels(axes: Sequence[Axes], labels: Sequence[Span]) -> None:
    moments = np.array(labels, "datetime64[ns]").reshape(-1, 2)
    for axis in axes:
        for number, (begin, end) in enumerate(moments):
            axis.axvspan(begin, end, color=LABEL, zorder=0, label=None if number else "labelled anomaly")


def _draw_values(axis: Axes, series: PlottedSeries, column: int) -> None:
    values, expected = series.values[:, column], series.expected[:, column]
    in_front = _roughness(expected) < _roughness(values) / 2  # else it would hide the values
    draw_line(axis, series.at, values)
    at, drawn = _means(series.at, expected)
    axis.plot(at, drawn, color=EXPECTED, linewidth=1.4, alpha=0.8, label="expected", zorder=3 if in_front else 1)
    draw_alerts(axis, series.at, values, np.where(series.blamed[:, column], series.level, 0))
    axis.margins(y=0.12)
    tidy(axis)
    _number_axis(axis, values)


def draw_line(axis: Axes, at: NDArray[Any], values: Numbers) -> None:
    """Draw the values of a series; of a long one the lowest and highest of each stretch."""
    at, drawn = _envelope(at, values)
    axis.plot(at, drawn, color=VALUE, linewidth=0.8, label="value", zorder=2)


def draw_alerts(axis: Axes, at: NDArray[Any], values: Numbers, levels: NDArray[np.uint8]) -> None:
    """Mark the values that alerted, by level."""
    for level, colour in COLOURS.items():
        rows = levels == level
        axis.scatter(
            at[rows],
            values[rows],
            s=34,
            color=colour,
            edgecolors="white",
            linewidths=0.6,
            marker=_MARKERS[level],
            label=level.label,
            zorder=4 + level,
        )


def _roughness(values: Numbers) -> float:
    return float(np.nansum(np.abs(np.diff(values))))


def _number_axis(axis: Axes, values: Numbers) -> None:
    if np.abs(values).max(initial=0.0) < _LARGE:
        axis.yaxis.set_major_formatter("{x:,g}")
        return
    from matplotlib.ticker import EngFormatter

    axis.yaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_evidence(axis: Axes, series: PlottedSeries, bars: Bars) -> None:
    at, drawn = _envelope(series.at, np.nan_to_num(series.evidence))
    axis.fill_between(at, drawn, color=EVIDENCE, alpha=0.55, linewidth=0.6)
    for level, bar in bars.items():
        axis.axhline(bar, color=COLOURS[level], linewidth=0.9, linestyle="--")
        axis.annotate(
            level.label,
            (1, bar),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=COLOURS[level],
        )
    axis.set_ylabel("evidence")
    axis.set_ylim(0, max([*bars.values(), float(drawn.max(initial=0.0))]) * 1.12)
    tidy(axis)


def tidy(axis: Axes) -> None:
    """Leave out lines that say nothing."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#e4e7ea", linewidth=0.7)
    axis.set_axisbelow(True)


def time_axis(axis: Axes, at: NDArray[Any], *, has_clock: bool) -> None:
    """Let an axis show moments, or row numbers."""
    first, last = at.min(), at.max()
    if first < last:
        margin = (last - first) / 100
        axis.set_xlim(first - margin, last + margin)
    if not has_clock:
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.set_xlabel("row")
        return
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=5, maxticks=12)  # type: ignore[no-untyped-call] # matplotlib's dates have no types
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axis.set_xlabel(f"time (UTC), {_minute(first)} to {_minute(last)}")


def _minute(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[m]")).replace("T", " ")


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    handles, names = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="upper right", ncols=len(names), frameon=False, fontsize=9)


def say(axes: Sequence[Axes], text: str) -> None:
    """Write why there is nothing to draw."""
    for axis in axes:
        axis.set_axis_off()
    axes[0].text(0.5, 0.5, text, ha="center", va="center")


def _stretches(count: int) -> NDArray[np.int64]:
    """Return where each stretch of a series begins; short ones are not cut."""
    return np.unique(np.linspace(0, count, min(count, _STRETCHES), endpoint=False).astype(np.int64))


def _envelope(at: NDArray[Any], values: Numbers) -> tuple[NDArray[Any], Numbers]:
    """Return the lowest and the highest value of each stretch, in their order."""
    if len(values) <= 2 * _STRETCHES:
        return at, values
    begins = _stretches(len(values))
    ends = np.append(begins[1:], len(values))
    rows = [
        row
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
        for row in sorted({begin + int(values[begin:end].argmin()), begin + int(values[begin:end].argmax())})
    ]
    return at[rows], values[rows]


def _means(at: NDArray[Any], values: Numbers) -> tuple[NDArray[Any], Numbers]:
    """Return the mean of each stretch; NaN where nothing is known."""
    if len(values) <= 2 * _STRETCHES:
        return at, values
    begins = _stretches(len(values))
    known = ~np.isnan(values)
    counts = np.add.reduceat(known.astype(np.int64), begins)
    sums = np.add.reduceat(np.where(known, values, 0.0), begins)
    return at[begins], np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def plain(text: str, longest: int = _LONGEST_NAME) -> str:
    """Show text as it is: matplotlib would read dollar signs as formulas, and long names push the panel away."""
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return shown.replace("$", r"\$")
