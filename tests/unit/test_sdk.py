"""The SDK: frames in, the same kind of frame out; records one at a time; the results of the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import pynomaly
from pynomaly.domain.error import BadRecordError, ConfigError, StateError
from pynomaly.presentation.cli.main import main
from pynomaly.sdk import Engine, Verdict

_PAGE = Path(__file__).parents[2] / "docs" / "sdk.md"
_NAB = Path(__file__).parents[2] / "../shared/data/nab/data"
_ROWS, _SPIKE = 400, 300
_VALUES = [900.0 if row == _SPIKE else 20.0 + row % 5 for row in range(_ROWS)]
_TIMES = pd.date_range("2024-01-01", periods=_ROWS, freq="h", tz="UTC")
_DETECTOR = "ew_zscore"


def _pandas() -> pd.DataFrame:
    return pd.DataFrame({"t": _TIMES, "v": _VALUES}, index=range(1000, 1000 + _ROWS))


def _polars() -> pl.DataFrame:
    return pl.DataFrame({"t": _TIMES.tz_localize(None).to_numpy(), "v": _VALUES})


def _mapping() -> dict[str, object]:
    return {"t": [str(time) for time in _TIMES], "v": _VALUES}


@pytest.mark.parametrize("make", [_pandas, _polars, _mapping])
def test_frames_of_all_kinds_say_the_same(make: Callable[[], object]) -> None:
    """One row a record in order, of the same library, with the alert at the spike."""
    frame = make()
    found = pynomaly.detect(frame, "v", time="t", detector=_DETECTOR)
    assert isinstance(found, type(frame))
    assert list(getattr(found, "columns", found))[:3] == ["time", "series", "v"]
    outcome = np.asarray(found["outcome"])
    assert [row for row in range(_ROWS) if outcome[row] == "anomalous"] == [_SPIKE]
    assert np.asarray(found["v"]).tolist() == _VALUES
    assert np.asarray(found["level"])[_SPIKE] == "warning"
    assert float(np.asarray(found["expected"])[_SPIKE]) == pytest.approx(22, abs=0.5)


def test_pandas_keeps_its_index_and_the_times_their_zone() -> None:
    """The result can be joined to the frame that it came from."""
    frame = _pandas()
    found = pynomaly.detect(frame, "v", time="t", detector=_DETECTOR)
    assert found.index.equals(frame.index)
    assert (found["time"] == frame["t"]).all()
    told = pynomaly.detect(_polars(), "v", time="t", detector=_DETECTOR)
    assert str(told.schema["time"]) == "Datetime(time_unit='ns', time_zone='UTC')"


def test_arrays_and_plain_numbers_need_no_names() -> None:
    """A column of numbers is a series; columns of an array go by number."""
    for data in (np.array(_VALUES), _VALUES, pd.Series(_VALUES)):
        found = pynomaly.detect(data, detector=_DETECTOR)
        assert found["row"].tolist() == list(range(_ROWS))
        assert found["reason"][_SPIKE] == "alerted"
    matrix = np.column_stack([np.zeros(_ROWS), _VALUES])
    assert pynomaly.detect(matrix, 1, detector=_DETECTOR)["outcome"][_SPIKE] == "anomalous"


def test_series_are_judged_apart() -> None:
    """Two series in one frame get the rows that each gets alone."""
    quiet = [30.0 + row % 3 for row in range(_ROWS)]
    both = pd.DataFrame({"v": np.ravel([_VALUES, quiet], order="F"), "s": ["a", "b"] * _ROWS})
    found = pynomaly.detect(both, "v", series="s", detector=_DETECTOR)
    for name, values in (("a", _VALUES), ("b", quiet)):
        alone = pynomaly.detect({"v": values}, "v", detector=_DETECTOR)
        np.testing.assert_array_equal(found.loc[found["series"] == name, "evidence"], alone["evidence"])


def test_whole_numbers_name_series_and_keep_their_digits() -> None:
    """A plain list of integers is no list of floats: neither as a series nor as a time in nanoseconds."""
    first_ns = 1_700_000_000_123_456_789
    table = {"v": [1, 2], "s": [7, 8], "t": [first_ns, first_ns + 1]}
    found = pynomaly.detect(table, "v", time="t", time_format="ns", series="s", detector=_DETECTOR)
    assert found["series"].tolist() == ["7", "8"]
    assert found["time"].astype("i8").tolist() == [first_ns, first_ns + 1]


def test_bad_cells_are_rejected_rows() -> None:
    """NaN and None have their reasons and leave nothing but empty cells."""
    frame = pd.DataFrame({"v": [1.0, float("nan"), None, 2.0]}, dtype=object)
    found = pynomaly.detect(frame, "v", detector=_DETECTOR)
    assert found["reason"].tolist() == ["detector_warming", "not_finite", "missing_field", "detector_warming"]
    assert found["v"].isna().tolist() == [False, True, True, False]


def test_no_rows() -> None:
    """An empty frame has an empty result with all its columns."""
    found = pynomaly.detect(pd.DataFrame({"v": []}), "v", detector=_DETECTOR)
    assert len(found) == 0
    scores = ["severity", "evidence", "ranking_score", "alert_score"]
    assert list(found) == ["row", "series", "v", *scores, "outcome", "reason", "level", "found_by", "expected"]


def test_one_record_at_a_time_equals_a_whole_frame() -> None:
    """So does any mixture of both."""
    whole = pynomaly.detect({"v": _VALUES}, "v", detector=_DETECTOR)
    engine = Engine("v", _DETECTOR)
    verdicts = [engine.process_one(v=value) for value in _VALUES[:250]]
    rest = engine.process({"v": _VALUES[250:]})
    assert [verdict.reason for verdict in verdicts] == whole["reason"][:250].tolist()
    assert [verdict.evidence for verdict in verdicts if verdict.evidence is not None] == [
        number for number in whole["evidence"][:250] if not np.isnan(number)
    ]
    for name in ("evidence", "severity", "row"):
        np.testing.assert_array_equal(rest[name], whole[name][250:])
    assert engine.records == _ROWS


def test_a_verdict_tells_what_and_why() -> None:
    """Unknown is None; an alert has its level, its evidence and what each part added."""
    engine = Engine(
        ["v"], ["ew_zscore", {"detector": "running_range", "as": "range"}], time="t", series=["host", "disk"]
    )
    verdicts = [
        engine.process_one(time=f"2024-01-01T{row // 60:02}:{row % 60:02}:00Z", series=("web", 7), v=value)
        for row, value in enumerate(_VALUES)
    ]
    assert verdicts[0] == Verdict(
        "warming", "detector_warming", "none", None, None, {"v": None}, verdicts[0].contributions
    )
    spike = verdicts[_SPIKE]
    assert (spike.is_anomalous, spike.outcome, spike.reason) == (True, "anomalous", "alerted")
    assert spike.evidence == pytest.approx(sum(spike.contributions.values()))
    assert set(spike.contributions) == {"ew_zscore", "range"}
    assert spike.expected["v"] == pytest.approx(22, abs=0.5)


def test_a_record_that_cannot_be_used() -> None:
    """It is an error of its own, counts as rejected, and the next record goes on."""
    engine = Engine("v", _DETECTOR, time="t")
    for wrong in ({"v": float("nan"), "time": 0}, {"v": 1.0, "time": "yesterday"}, {"time": "2024-01-01T00:00:00Z"}):
        with pytest.raises(BadRecordError, match="record must be usable, was rejected as "):
            engine.process_one(**wrong)
    assert engine.process_one(time="2024-01-01T00:00:00Z", v=1.0).outcome == "warming"
    assert engine.records == 4


@pytest.mark.parametrize("wrong", [{"w": 1.0}, {"v": 1.0, "time": 5}, {"v": 1.0, "series": "a"}])
def test_arguments_that_the_engine_was_not_made_for(wrong: dict[str, object]) -> None:
    """A slip of the pen is a TypeError, as with any function."""
    with pytest.raises(TypeError, match="must "):
        Engine("v", _DETECTOR).process_one(**wrong)


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    """Another engine of the same making continues; one of another making refuses."""
    engine = Engine("v", _DETECTOR)
    engine.process({"v": _VALUES[:250]})
    other = Engine("v", _DETECTOR)
    other.restore(engine.snapshot())
    np.testing.assert_array_equal(
        other.process({"v": _VALUES[250:]})["evidence"], engine.process({"v": _VALUES[250:]})["evidence"]
    )
    with pytest.raises(StateError, match="fingerprint"):
        Engine("v", "ew_zscore:half_life=50").restore(engine.snapshot())


def test_mistakes_are_config_errors() -> None:
    """With the words of a flow file, all at once."""
    with pytest.raises(ConfigError, match="did you mean ew_zscore"):
        pynomaly.detect([1.0], detector="ew_zscor")
    with pytest.raises(ConfigError, match="must be among v, was 'w'"):
        pynomaly.detect({"v": [1.0]}, "w")
    with pytest.raises(ConfigError, match=r"alert\.levels\.loud"):
        pynomaly.detect([1.0], levels={"loud": 3.0})


def test_nothing_is_seasonal_without_a_time() -> None:
    """It would warm up for ever."""
    with pytest.raises(ConfigError, match=r"detectors\[0\]\.detector: must be one that needs no time of day"):
        Engine("v", "seasonal_slot")


def test_a_foreign_snapshot_speaks_of_no_command_line() -> None:
    """Neither for other options nor for what River and its version brought."""
    engine, other = Engine("v", "river/HalfSpaceTrees:params.seed=1"), Engine("v", "ew_zscore:half_life=50")
    for wrong in (engine.snapshot(), b"nothing"):
        with pytest.raises(StateError) as caught:
            other.restore(wrong)
        assert "--" not in str(caught.value)


def test_command_line_and_sdk_agree(tmp_path: Path) -> None:
    """The same file gives the same rows, to the last digit, as a file and as a frame."""
    path = _NAB / "realKnownCause" / "nyc_taxi.csv"
    if not path.exists():
        pytest.skip("needs the Numenta Anomaly Benchmark in ../shared/data/nab")
    output = tmp_path / "outcomes.csv"
    assert main(["detect", str(path), "--time", "timestamp", "--value", "value", "--output", str(output)]) == 0
    from_file = pd.read_csv(output, parse_dates=["time"], keep_default_na=False, na_values=[""], dtype={"series": str})
    from_frame = pynomaly.detect(pd.read_csv(path), "value", time="timestamp")
    pd.testing.assert_frame_equal(from_file, from_frame, check_dtype=False, check_exact=True)


def test_importing_costs_nothing() -> None:
    """The package loads its parts when they are used."""
    code = (
        "import sys, pynomaly; heavy = {'numpy', 'numba', 'pydantic'} & set(sys.modules); "
        "assert not heavy, heavy; assert set(pynomaly.__all__) <= set(dir(pynomaly)); pynomaly.detect; "
        "assert 'numpy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_not_there() -> None:
    """A wrong name is an AttributeError, and the version is the distribution's."""
    with pytest.raises(AttributeError, match="has no attribute 'detekt'"):
        pynomaly.detekt  # noqa: B018
    assert pynomaly.__version__.split(".")[0].isdigit()
