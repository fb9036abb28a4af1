"""Pictures of a backtest: the series on which specs differ, with the alerts of each spec in a lane of its own."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import UnavailableError
from pynomaly.evaluation.backtest import Backtest
from pynomaly.evaluation.history import JudgedSeries, Place
from pynomaly.presentation import plot
from pynomaly_connectors.files.draft import Draft

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Most pictures of one backtest, those of the series with most events that only one spec found.
MOST_PICTURES: Final = 20
_LANE_IN: Final = 0.34
_LONGEST_STEM: Final = 80
_LONGEST_TITLE: Final = 40


def draw_backtest(found: Backtest, folder: Path) -> tuple[Path, ...]:
    """Draw the series on which the specs differ, each into a PNG file of a folder, which is made if it is not there.

    Raises
    ------
    UnavailableError
        When a file cannot be written.
    """
    differing = Counter(one.series for one in found.lone)
    written: list[Path] = []
    for number, (place, _) in enumerate(differing.most_common(MOST_PICTURES), start=1):
        path = folder / f"{number:02}-{_stem(found.series[place].series.name)}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with Draft(path) as file:
                _figure(found, place).savefig(file, dpi=plot.RESOLUTION, format="png")
        except OSError as error:
            raise UnavailableError(f"{path} must be a file that can be written, was not: {error.strerror}") from error
        written.append(path)
    return tuple(written)


def _stem(name: str) -> str:
    """Return a file name that tells which series it is: names of series may hold anything."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-_LONGEST_STEM:].strip("._") or "series"


def _figure(found: Backtest, place: Place) -> Figure:
    from matplotlib.figure import Figure

    judged = found.series[place]
    series = judged.series
    fields = series.fields[: plot.MOST_FIELDS]
    heights = [*[plot.VALUE_IN] * len(fields), _LANE_IN * (len(found.specs) + 1)]
    figure = Figure(figsize=(plot.WIDTH_IN, sum(heights) + 1.0), layout="constrained")
    axes: list[Axes] = list(figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    at = _at(judged)
    for column, name in enumerate(fields):
        plot.draw_line(axes[column], at, series.values[:, column])
        axes[column].set_ylabel(plot.plain(name))
        plot.tidy(axes[column])
    _draw_lanes(axes[-1], found, place)
    for axis in axes:
        for first, last in series.windows:
            axis.axvspan(at[first], at[last], color=plot.LABEL, zorder=0)
    plot.time_axis(axes[-1], at, has_clock=series.time_ns is not None)
    for axis in axes[:-1]:
        axis.sharex(axes[-1])
        axis.tick_params(labelbottom=False)
    figure.suptitle(_title(found, place), x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _title(found: Backtest, place: Place) -> str:
    alone = Counter(one.spec for one in found.lone if one.series == place)
    told = ", ".join(f"{found.specs[spec].name} {count:,}" for spec, count in sorted(alone.items()))
    name = found.series[place].series.name[-_LONGEST_TITLE:]  # paths differ at their end
    return plot.plain(f"{name}: events that only one spec found: {told}", longest=130)


def _draw_lanes(axis: Axes, found: Backtest, place: Place) -> None:
    for lane, spec in enumerate(found.specs):
        axis.axhline(lane, color="#e4e7ea", linewidth=0.7, zorder=1)
        if place in spec.series:
            judged = spec.series[place]
            level = judged.judgement.level
            plot.draw_alerts(axis, _at(judged), np.full(len(level), float(lane)), level)
    axis.set_yticks(range(len(found.specs)), [plot.plain(spec.name, longest=32) for spec in found.specs], fontsize=8)
    axis.set_ylim(len(found.specs) - 0.5, -0.5)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    handles, names = axis.get_legend_handles_labels()
    known = dict(zip(names, handles, strict=True))
    axis.figure.legend(known.values(), known, loc="outside lower right", ncols=len(known), frameon=False, fontsize=9)


def _at(judged: JudgedSeries) -> NDArray[Any]:
    time_ns = judged.series.time_ns
    return judged.offset if time_ns is None else time_ns.view("datetime64[ns]")
