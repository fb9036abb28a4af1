"""The picture of a series on a terminal."""

from __future__ import annotations

import numpy as np

from pynomaly.domain.outcome import Level
from pynomaly.presentation.cli.history import Alert, History
from pynomaly.presentation.cli.picture import picture

_HOUR_NS = 3_600_000_000_000


def _history(values: list[float], levels: list[int]) -> History:
    times = 1_700_000_000_000_000_000 + _HOUR_NS * np.arange(len(values))
    alerts = tuple(Alert(int(times[row]), Level(level)) for row, level in enumerate(levels) if level)
    return History("flow [l/s]", times, np.array(values), alerts)


def test_a_spike_its_alert_and_its_label_stand_in_one_column() -> None:
    """Time runs from left to right over the whole width; a lone extreme is never averaged away."""
    values, levels = [10.0] * 1000, [0] * 1000
    values[500], levels[500] = 99.0, 3
    history = _history(values, levels)
    start = int(history.time_ns[500])
    lines = picture(history, [(start, start + 1)], 60).plain.splitlines()
    assert lines[0] == "flow [l/s]"
    bars, alerts, labels, ends = lines[1:7], lines[7], lines[8], lines[9]
    column = alerts.index("▲")
    assert (alerts.count("▲"), labels.index("━"), labels.count("━")) == (1, column, 1)
    assert [line[column] for line in bars] == ["█"] * 6
    assert bars[0].count("█") == 1
    assert bars[-1][10:].count("▁") == 49
    assert column == 10 + 25
    assert (bars[0].split()[0], bars[-1].split()[0]) == ("99", "10")
    assert ends.split() == ["2023-11-14", "2023-12-26"]


def test_flat_series_and_holes() -> None:
    """A series that never moves is a line; where there are no records there is nothing."""
    history = _history([5.0] * 200, [0] * 200)
    keep = np.r_[0:50, 150:200]
    history = History(history.field, history.time_ns[keep], history.value[keep], ())
    bottom = picture(history, (), 60).plain.splitlines()[6][10:]
    assert set(bottom) == {"▁", " "}
    assert bottom[13:37].strip() == ""


def test_a_name_cannot_move_the_cursor() -> None:
    """Control characters of a field's name are not sent to the terminal."""
    history = _history([1.0, 2.0], [0, 0])
    named = History("\x1b[2J", history.time_ns, history.value, ())
    assert "\x1b" not in picture(named, (), 40).plain
