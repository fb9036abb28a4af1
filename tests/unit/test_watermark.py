"""The watermark's rules, one sequence of times for each, told by windows so short that each instant has its own."""

from __future__ import annotations

import numpy as np
import pytest

from cached_kernels import new_windows
from pynomaly.domain.error import StateError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.domain.windows import WindowPlan, Windows

_PLAN = WindowPlan(1, 1, ("count",), lateness_ns=10, max_jump_ns=100)
_LETTERS = {Reason.IN_WINDOW: "a", Reason.TIME_JUMP: "j", Reason.BEHIND_WATERMARK: "l"}


def _windows() -> Windows:
    windows = new_windows(_PLAN, 1)
    windows.grow(1)
    return windows


def _reasons(windows: Windows, times: list[int], refusal: list[int]) -> list[int]:
    rows = len(times)
    columns = (np.arange(rows), np.zeros(rows, np.int64), np.array(times, np.int64), np.ones((rows, 1)))
    return windows.absorb(*columns, np.array(refusal, np.uint8)).reason.tolist()


def _judge(windows: Windows, *times: int) -> str:
    return "".join(_LETTERS[Reason(reason)] for reason in _reasons(windows, list(times), [0] * len(times)))


@pytest.mark.parametrize(
    ("times", "verdicts", "watermark_ns"),
    [
        pytest.param([1000], "a", 990, id="the first record is accepted"),
        pytest.param([-1000, -990], "aa", -1000, id="times before 1970"),
        pytest.param([1000, 1020, 1015, 1010], "aaaa", 1010, id="a record at the watermark is in time"),
        pytest.param([1000, 1020, 1009], "aal", 1010, id="a record behind the watermark is late"),
        pytest.param([1000, 1100, 1200], "aaa", 1190, id="a gap of max_jump is believed at once"),
        pytest.param([1000, 1001, 1102, 1003], "aaja", 993, id="one record further ahead is not"),
        pytest.param([1000, 1001, 5000, 5001, 5002, 1003], "aajjal", 4992, id="three that agree are believed"),
        pytest.param(
            [1000, 1001, 5080, 5100, 5000, 5001], "aajjaa", 4991, id="the third is the front, not the highest"
        ),
        pytest.param([1000, 1001, 5000, 5100, 5200], "aajja", 5190, id="each agrees with the one before"),
        pytest.param([1000, 1001, 5200, 5100, 5000], "aajja", 4990, id="in either direction"),
        pytest.param([1000, 1001, 5000, 5101, 5202, 5203, 5204], "aajjjja", 5194, id="a wider step does not agree"),
        pytest.param([1000, 1001, 5000, 9000, 9001, 9002], "aajjja", 8992, id="one that disagrees starts a new run"),
        pytest.param([1000, 1001, 5000, 5001, 1002, 5002, 5003], "aajjajj", 992, id="an accepted record ends a run"),
        pytest.param([1000, 1050, 5000, 5001, 1002, 5002, 5003], "aajjljj", 1040, id="a late record ends a run"),
        pytest.param([9000, 1000, 1001, 1002, 1003], "ajjaa", 993, id="an absurd first record ahead is disowned"),
        pytest.param([1000, 9000, 9001, 9002], "ajja", 8992, id="an absurd first record behind is disowned"),
        pytest.param([9000, 1000, 9001, 1001, 1002, 1003], "ajalll", 8991, id="a second record confirms the first"),
        pytest.param([1000, 900, 901], "all", 990, id="within max_jump behind the first record is late, not far"),
        pytest.param([9000, 1000, 1001, 17000, 1002, 1003, 1004], "ajjjjja", 994, id="both sides do not agree"),
    ],
)
def test_verdicts(times: list[int], verdicts: str, watermark_ns: int) -> None:
    """A sequence of times gives these verdicts; then the time before the watermark is late, the watermark is not."""
    windows = _windows()
    assert _judge(windows, *times) == verdicts
    assert _judge(windows, watermark_ns - 1, watermark_ns) == "la"


def test_no_watermark_before_the_first_record() -> None:
    """An empty batch changes nothing: the first record is accepted wherever it stands."""
    windows = _windows()
    assert _judge(windows) == ""
    assert _judge(windows, -(10**15)) == "a"


def test_refused_records_are_not_looked_at() -> None:
    """A refused record keeps its reason; its time neither moves the front nor ends a run of suspects."""
    malformed, none, seen, jump = Reason.MALFORMED, Reason.NO_PAYLOAD, Reason.IN_WINDOW, Reason.TIME_JUMP
    reasons = _reasons(_windows(), [0, 1000, 1001, 5000, 5001, 0, 5002], [malformed, 0, 0, 0, 0, none, 0])
    assert reasons == [malformed, seen, seen, jump, jump, none, seen]


def test_a_run_of_suspects_survives_a_restart() -> None:
    """The verdicts after a restore are those of an uninterrupted run."""
    before, after = _windows(), _windows()
    assert _judge(before, 1000, 1001, 5000, 5001) == "aajj"
    after.restore(unpack(pack(before.snapshot())))
    assert _judge(after, 5002, 1000) == "al"


@pytest.mark.parametrize("marks", [None, np.zeros(1), np.zeros(2, np.dtype([("front_ns", "i8")]))])
def test_a_foreign_watermark_is_refused(marks: np.ndarray | None) -> None:
    """A missing section or one of another layout is named and not taken over."""
    image = _windows().snapshot()
    sections = {name: section for name, section in image.sections.items() if name != "watermark"}
    if marks is not None:
        sections["watermark"] = marks
    with pytest.raises(StateError, match="section watermark must be one row"):
        _windows().restore(StateImage(image.header, sections))
