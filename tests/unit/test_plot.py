"""Pictures of what was detected, read back from the figure that was drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pynomaly.application.detection_result import DetectionResult, ScoredWindows
from pynomaly.domain.error import UnavailableError
from pynomaly.domain.outcome import Level, Outcomes, Reason
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.domain.windows.stream import ClosedWindows
from pynomaly.presentation.plot import MOST_FIELDS, MOST_SERIES, PlotRecorder, _envelope, _figure, _means, draw

_BARS = {Level.WATCH: 2.3, Level.WARNING: 4.0}


def _result(values: np.ndarray, series: int, level: int, at: int) -> DetectionResult:
    """One series of one batch, with an alert at one record to which only the last field contributed."""
    count, fields = values.shape
    batch = RecordBatch(
        Stream("data.csv"),
        np.arange(count),
        1_700_000_000_000_000_000 + 60_000_000_000 * np.arange(count),
        KeyColumn.of([f"series {series}".encode()] * count),
        values,
        np.zeros(count, np.uint8),
    )
    outcomes = Outcomes.empty(count, fields, fields)
    for column in (outcomes.reason, outcomes.level, outcomes.evidence, outcomes.contribution):
        column[:] = 0
    outcomes.expected[:] = 0.0
    outcomes.reason[at], outcomes.level[at], outcomes.evidence[at] = Reason.ALERTED, level, 5.0
    outcomes.contribution[at, -1] = 5.0
    return DetectionResult(batch, np.full(count, series), outcomes, ())


def _recorder(fields: int, *results: DetectionResult) -> PlotRecorder:
    names = tuple(f"field {number}" for number in range(fields))
    recorder = PlotRecorder(names, [(name,) for name in names], has_clock=True)
    for result in results:
        recorder.take(result)
    return recorder


def _noise(count: int, fields: int = 1) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, fields))


def test_series_with_most_alerts_come_first() -> None:
    """Each has a value and an evidence panel; series beyond the limit are counted in the title."""
    quiet = [_result(_noise(50), number, 0, 10) for number in range(MOST_SERIES + 2)]
    recorder = _recorder(1, *quiet, _result(_noise(50), 3, 2, 10))
    figure = _figure(recorder, _BARS, "data.csv")
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]
    assert titles[0] == "series series 3"
    assert len(titles) == MOST_SERIES
    assert len(figure.axes) == 2 * MOST_SERIES
    assert figure.get_suptitle() == f"data.csv: 1 alert in 350 records ({MOST_SERIES} of {MOST_SERIES + 2} series)"


def test_fields_have_a_panel_each_and_the_one_to_blame_the_mark() -> None:
    """Several fields of one series, up to a limit, over one evidence panel with the level lines."""
    figure = _figure(_recorder(3, _result(_noise(50, 3), 0, 2, 10)), _BARS, "data.csv")
    *panels, evidence = figure.axes
    assert [axis.get_ylabel() for axis in panels] == ["field 0", "field 1", "field 2"]
    marked = [sum(len(marks.get_offsets()) for marks in axis.collections) for axis in panels]
    assert marked == [0, 0, 1]
    assert {line.get_ydata()[0] for line in evidence.get_lines()} == {2.3, 4.0}
    assert len(_figure(_recorder(10, _result(_noise(50, 10), 0, 2, 10)), _BARS, "x").axes) == MOST_FIELDS + 1


def test_windows_are_drawn_at_their_ends() -> None:
    """In a flow of windows these are judged, and their series are told apart."""
    count = 6
    result = _result(_noise(count), 0, 0, 0)
    closed = ClosedWindows(
        slot=np.array([0, 1] * 3),
        start_ns=np.repeat(np.arange(3), 2) * 10,
        end_ns=np.repeat(np.arange(3), 2) * 10 + 10,
        count=np.ones(count, np.int64),
        values=np.arange(6.0)[:, None],
        refusal=np.array([0, 0, 0, 0, 0, 1], np.uint8),
        closed_by_offset=np.arange(count),
    )
    windows = ScoredWindows(closed, ("a", "b") * 3, result.outcomes)
    recorder = _recorder(1, replace(result, windows=windows))
    series = {one.name: one for one in recorder.series()}
    assert series["a"].values[:, 0].tolist() == [0.0, 2.0, 4.0]
    assert series["b"].values[:, 0].tolist() == [1.0, 3.0]
    assert series["b"].at.astype("i8").tolist() == [10, 20]


def test_series_of_two_streams_are_two() -> None:
    """Slots are numbered in each stream anew."""
    first, second = _result(_noise(5), 1, 0, 0), _result(_noise(5), 2, 0, 0)
    second = replace(second, batch=replace(second.batch, stream=Stream("data.csv", 1)), slot=first.slot)
    assert sorted(one.name for one in _recorder(1, first, second).series()) == ["series 1", "series 2"]


def test_labels_stand_behind_every_panel() -> None:
    """The legend explains them once."""
    figure = _figure(_recorder(1, _result(_noise(50), 0, 1, 10)), _BARS, "x", [(0, 10**9), (10**10, 10**11)])
    assert [len(axis.patches) for axis in figure.axes] == [2, 2]
    assert [text.get_text() for text in figure.legends[0].get_texts()].count("labelled anomaly") == 1


def test_a_mark_stands_at_its_record() -> None:
    """Time and value of the mark are those of the record, in the colour of its level."""
    values = _noise(50)
    figure = _figure(_recorder(1, _result(values, 0, Level.WARNING, 20)), _BARS, "data.csv")
    (marks,) = [marks for marks in figure.axes[0].collections if len(marks.get_offsets())]
    assert marks.get_label() == "warning"
    (place,) = marks.get_offsets()
    assert place[1] == values[20, 0]
    day = (1_700_000_000 + 60 * 20) / 86_400
    assert place[0] == pytest.approx(day)


def test_long_series_lose_no_spike() -> None:
    """Of every stretch the lowest and the highest value stay, in their order; means skip what is unknown."""
    values = _noise(100_000)[:, 0]
    values[54_321], values[54_322] = 99.0, -99.0
    at, drawn = _envelope(np.arange(100_000), values)
    assert len(drawn) <= 2_000
    assert (drawn.max(), drawn.min()) == (99.0, -99.0)
    assert np.all(np.diff(at) > 0)
    known = np.full(100_000, 3.0)
    known[:50_000] = np.nan
    at, drawn = _means(np.arange(100_000), known)
    assert np.isnan(drawn[at < 49_900]).all()
    assert set(drawn[at >= 50_000]) == {3.0}


def test_short_series_are_drawn_whole() -> None:
    """Nothing is left out where there is room for all."""
    values = _noise(500)[:, 0]
    assert _envelope(np.arange(500), values)[1] is values


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_files(tmp_path: Path, suffix: str) -> None:
    """The suffix tells the format; names with dollar signs are no formulas."""
    path = tmp_path / "new" / f"out.{suffix}"
    draw(_recorder(1, _result(_noise(50), 0, 1, 5)), _BARS, title="cost [$] in $US", path=path)
    assert path.stat().st_size > 1_000


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """It is our error, with the path."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnavailableError, match="must be a file that can be written"):
        draw(_recorder(1), _BARS, title="nothing", path=tmp_path / "folder.png")


def _rejected(count: int, fields: int = 1) -> DetectionResult:
    """A batch of which no record could be used."""
    result = _result(np.full((count, fields), np.nan), 0, 0, 0)
    refusal = np.full(count, Reason.NOT_A_NUMBER, np.uint8)
    outcomes = Outcomes.empty(count, fields, fields)
    outcomes.reason[:], outcomes.level[:] = Reason.NOT_A_NUMBER, 0
    for column in (outcomes.evidence, outcomes.contribution, outcomes.expected):
        column[:] = np.nan
    batch = replace(result.batch, refusal=refusal, key=KeyColumn.of([b""] * count))
    return DetectionResult(batch, np.full(count, -1), outcomes, ())


def _no_windows() -> ScoredWindows:
    none = np.zeros(0, np.int64)
    closed = ClosedWindows(none, none, none, none, np.zeros((0, 1)), np.zeros(0, np.uint8), none)
    return ScoredWindows(closed, (), Outcomes.empty(0, 1, 1))


def test_nothing_but_rejected_records() -> None:
    """The picture says so."""
    figure = _figure(_recorder(1, _rejected(5)), _BARS, "data.csv")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no record could be used"]
    assert figure.get_suptitle() == "data.csv: 0 alerts in 0 records"


def test_a_rejected_batch_in_the_middle() -> None:
    """It leaves no row in the picture, whatever stands before and after it."""
    (series,) = _recorder(1, _result(_noise(5), 0, 0, 0), _rejected(4), _result(_noise(3), 0, 1, 2)).series()
    assert series.values[:, 0].tolist() == [*_noise(5)[:, 0], *_noise(3)[:, 0]]
    assert series.level.tolist() == [0, 0, 0, 0, 0, 0, 0, 1]


def test_a_batch_that_closes_no_window() -> None:
    """Small batches often do not."""
    result = replace(_result(_noise(3), 0, 0, 0), windows=_no_windows())
    recorder = _recorder(1, result, result)
    assert recorder.series() == []
    figure = _figure(recorder, _BARS, "flow")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no window could be used"]
    assert figure.get_suptitle() == "flow: 0 alerts in 0 windows"
