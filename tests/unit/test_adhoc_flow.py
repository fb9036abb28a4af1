"""Flows made from columns, detectors and levels."""

from __future__ import annotations

import pytest

from pynomaly.application.spec.adhoc import Columns, Entry, adhoc_flow, detector_entry
from pynomaly.application.spec.record import NoTime
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Level

_SOURCE = {"kind": "files", "path": "a.csv"}


def test_auto_by_default() -> None:
    """Without a clock no part asks for the time of day."""
    clocked = adhoc_flow(_SOURCE, Columns(("value",), "time"))
    assert [entry.title for entry in clocked.detectors] == ["auto"]
    assert "auto.slot" in [part.name for part in clocked.parts]
    clockless = adhoc_flow(_SOURCE, Columns(("value",)))
    assert "auto.slot" not in [part.name for part in clockless.parts]
    assert isinstance(clockless.record.time, NoTime)


def test_columns_levels_and_options_arrive() -> None:
    """What is given stands in the flow."""
    columns = Columns(("a", "b"), "t", "ms", ("host", "disk"))
    flow = adhoc_flow(_SOURCE, columns, ["ew_zscore:half_life=72,minimum_relative=0.1"], {"watch": 3.0})
    assert (flow.record.values, flow.record.series) == (("a", "b"), ("host", "disk"))
    assert (flow.record.time.field, flow.record.time.format) == ("t", "ms")
    assert flow.levels == {Level.WATCH: 3.0}
    assert [part.name for part in flow.parts] == ["ew_zscore:a", "ew_zscore:b"]
    assert getattr(flow.detectors[0], "half_life") == 72  # noqa: B009 - made from the detector's options


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("ew_zscore", {"detector": "ew_zscore"}),
        ("ew_zscore:", {"detector": "ew_zscore"}),
        (
            "a:half_life=1.5,on=true,off=False,none=none,word=above",
            {"detector": "a", "half_life": 1.5, "on": True, "off": False, "none": None, "word": "above"},
        ),
        ("a:guard.severity=3,guard.patience=5", {"detector": "a", "guard": {"severity": 3, "patience": 5}}),
        ("river/HalfSpaceTrees:params.n_trees=5", {"river": "HalfSpaceTrees", "params": {"n_trees": 5}}),
        ("pyod/ECOD", {"pyod": "ECOD"}),
        ("a:fields=Pressure", {"detector": "a", "fields": ["Pressure"]}),
        ("pyod/ECOD:fields=0+1.5+on,window=500", {"pyod": "ECOD", "fields": ["0", "1.5", "on"], "window": 500}),
        ("a:word=b=c", {"detector": "a", "word": "b=c"}),
    ],
)
def test_a_detector_on_one_line(text: str, entry: dict[str, object]) -> None:
    """Numbers, truth values and nothing are told from words; dots nest."""
    assert detector_entry(text) == entry


@pytest.mark.parametrize("text", ["a:half_life", "a:guard=1,guard.patience=5"])
def test_an_option_that_cannot_be_read(text: str) -> None:
    """It is refused with the whole text as its place."""
    with pytest.raises(ConfigError) as caught:
        detector_entry(text)
    assert caught.value.problems[0].path == text


@pytest.mark.parametrize("entry", ["seasonal_slot", {"detector": "seasonal_slot", "as": "daily"}])
def test_no_time_of_day_without_a_clock(entry: Entry) -> None:
    """A seasonal detector would warm up for ever."""
    with pytest.raises(ConfigError) as caught:
        adhoc_flow(_SOURCE, Columns(("v",)), ["ew_zscore", entry])
    assert [problem.path for problem in caught.value.problems] == ["detectors[1].detector"]
    assert [part.title for part in adhoc_flow(_SOURCE, Columns(("v",), "t"), [entry]).detectors]


def test_everything_wrong_at_once() -> None:
    """The rules and words are those of a flow file."""
    with pytest.raises(ConfigError) as caught:
        adhoc_flow(_SOURCE, Columns(("v", "v"), "t"), ["ew_zscor", "ew_zscore:half_life=-1"], {"loud": 3.0})
    assert [problem.path for problem in caught.value.problems] == [
        "record.values",
        "detectors[0].detector",
        "detectors[1].half_life",
        "alert.levels.loud",
    ]
