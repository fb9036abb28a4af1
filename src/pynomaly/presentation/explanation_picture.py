"""A picture of one explained record: the series around it, what is ordinary now, evidence against the bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.explanation import Details, Explanation, Surroundings
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import NoTime
from pynomaly.domain.error import UnavailableError
from pynomaly.domain.trace import Interval
from pynomaly.presentation import plot
from pynomaly.presentation.cli.explanation_report import place_text
from pynomaly_connectors.files.draft import Draft

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BEFORE: Final = 300  # records drawn before the one that is explained
_AFTER: Final = 150
_RECORD: Final = "#7b2d8b"
_ORDINARY: Final = "#3f9b6c"
_QUIET: Final = "#8a8f94"


def draw_explanation(explanation: Explanation, spec: FlowSpec, path: Path) -> None:
    """Draw a record and its series into a file.

    Raises
    ------
    UnavailableError
        When the file cannot be written.
    """
    figure = _figure(explanation, spec)
    try:
        with Draft(path) as file:
            figure.savefig(file, dpi=plot.RESOLUTION, format=path.suffix[1:].lower())
    except OSError as error:
        raise UnavailableError(f"{path} must be a file that can be written, was not: {error.strerror}") from error


def _figure(explanation: Explanation, spec: FlowSpec) -> Figure:
    from matplotlib.figure import Figure

    around, columns = explanation.surroundings, range(min(len(spec.fields), plot.MOST_FIELDS))
    heights = [*[plot.VALUE_IN] * len(columns), plot.VALUE_IN]
    figure = Figure(figsize=(plot.WIDTH_IN, sum(heights) + 0.9), layout="constrained")
    axes: list[Axes] = list(figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if around is None or explanation.details is None:
        plot.say(axes, "this record was not judged: there is nothing to draw")
    else:
        begin = max(explanation.position - _BEFORE, 0)
        shown = around.between(begin, explanation.position + _AFTER + 1)
        has_clock = not isinstance(spec.record.time, NoTime)
        at = shown.time_ns.view("datetime64[ns]") if has_clock else shown.offset
        for column in columns:
            _draw_field(axes[column], explanation.details, shown, at, column, explanation.position - begin)
            axes[column].set_ylabel(plot.plain(spec.fields[column]))
        _draw_evidence(axes[-1], explanation.details, shown, at, explanation.position - begin)
        plot.time_axis(axes[-1], at, has_clock=has_clock)
        for axis in axes[:-1]:
            axis.sharex(axes[-1])
            axis.tick_params(labelbottom=False)
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower right", ncols=len(names), frameon=False, fontsize=9)
    figure.suptitle(_title(explanation, spec), x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _title(explanation: Explanation, spec: FlowSpec) -> str:
    place, verdict = explanation.place, explanation.verdict
    verb = f"{verdict.reason.outcome.label} ({verdict.reason.label})"
    what = "record" if place.window is None else "window closed by record"
    series = f", series {place.series}" if spec.record.series and place.series else ""
    return f"{plot.plain(spec.flow)}: {what} {plot.plain(place_text(place))}{plot.plain(series)}, {verb}"


def _draw_field(axis: Axes, details: Details, shown: Surroundings, at: NDArray[Any], column: int, row: int) -> None:
    values, expected = shown.values[:, column], shown.expected[:, column]
    axis.plot(at, values, color=plot.VALUE, linewidth=0.9, label="value", zorder=2)
    axis.plot(at, expected, color=plot.EXPECTED, linewidth=1.3, alpha=0.8, label="expected", zorder=1)
    axis.axvline(at[row], color=_RECORD, linewidth=0.8, alpha=0.5)
    plot.draw_alerts(axis, at, values, shown.level)
    limits = axis.get_ylim()
    ordinary = _narrowest(details, column)
    if ordinary is not None:
        low, high = np.clip((ordinary.low, ordinary.high), *limits)
        axis.vlines(at[row], low, high, color=_ORDINARY, linewidth=14, alpha=0.5, label="ordinary now", zorder=1)
    unchanged = details.fields[column].unchanged
    ends = () if unchanged is None else (unchanged.low, unchanged.high)
    for number, end in enumerate(end for end in ends if limits[0] <= end <= limits[1]):
        label = None if number else "here the verdict changes"
        axis.axhline(end, color=_QUIET, linewidth=0.9, linestyle=":", label=label)
    axis.scatter(at[row], values[row], s=70, facecolors="none", edgecolors=_RECORD, linewidths=1.6, label="record")
    plot.tidy(axis)


def _narrowest(details: Details, column: int) -> Interval | None:
    """Return what all parts take for ordinary that say so of a field; None where none does, or they do not agree."""
    said = [
        more.ordinary
        for part, more in zip(details.trace.parts, details.parts, strict=True)
        if more.ordinary is not None and part.fields == (column,)
    ]
    low, high = max((one.low for one in said), default=0.0), min((one.high for one in said), default=0.0)
    return Interval(low, high) if said and low < high else None


def _draw_evidence(axis: Axes, details: Details, shown: Surroundings, at: NDArray[Any], row: int) -> None:
    axis.plot(at, np.nan_to_num(shown.evidence), color=plot.EVIDENCE, linewidth=0.9, label="evidence")
    axis.step(at, shown.bar, where="mid", color=_QUIET, linewidth=0.9, linestyle="--", label="bar of the record")
    judged = details.trace.judged
    levels = () if judged is None else details.trace.channels[judged].levels
    for level in levels:
        colour = plot.COLOURS[level.level]
        axis.plot([at[row]], [level.bar], marker="_", markersize=22, markeredgewidth=2.5, color=colour)
        axis.annotate(f"{level.level.label} {level.bar:.2f}", (at[row], level.bar), (14, 0), **_LABEL)
    axis.axvline(at[row], color=_RECORD, linewidth=0.8, alpha=0.5)
    axis.scatter(at[row], np.nan_to_num(shown.evidence[row]), s=70, facecolors="none", edgecolors=_RECORD)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("evidence and bar")
    plot.tidy(axis)


_LABEL: Final[dict[str, Any]] = {"textcoords": "offset points", "va": "center", "fontsize": 8}
