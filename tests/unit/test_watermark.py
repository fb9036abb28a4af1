"""The watermark's rules, one sequence of times for each."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.domain.error import StateError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.domain.windows import Watermark

_LATENESS_NS = 10
_MAX_JUMP_NS = 100
_LETTERS = {"a": Reason.ACCEPTED, "j": Reason.TIME_JUMP, "l": Reason.BEHIND_WATERMARK}


def _judge(watermark: Watermark, times: list[int]) -> str:
    reasons = watermark.judge(np.array(times, np.int64), np.zeros(len(times), np.uint8))
    letter_of = {int(reason): letter for letter, reason in _LETTERS.items()}
    return "".join(letter_of[int(reason)] for reason in reasons)


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
    """A sequence of times gives these verdicts and leaves this watermark."""
    watermark = Watermark(_LATENESS_NS, _MAX_JUMP_NS)
    assert _judge(watermark, times) == verdicts
    assert watermark.watermark_ns == watermark_ns


def test_no_watermark_before_the_first_record() -> None:
    """Nothing is known of a stream without records, and an empty batch changes nothing."""
    watermark = Watermark(_LATENESS_NS, _MAX_JUMP_NS)
    assert _judge(watermark, []) == ""
    assert watermark.watermark_ns is None


def test_refused_records_are_not_looked_at() -> None:
    """A refused record keeps its reason; its time neither moves the front nor ends a run of suspects."""
    watermark = Watermark(_LATENESS_NS, _MAX_JUMP_NS)
    times = np.array([0, 1000, 1001, 5000, 5001, 0, 5002], np.int64)
    refusal = np.array([Reason.MALFORMED, 0, 0, 0, 0, Reason.NO_PAYLOAD, 0], np.uint8)
    reasons = watermark.judge(times, refusal)
    jump = Reason.TIME_JUMP
    assert reasons.tolist() == [Reason.MALFORMED, 0, 0, jump, jump, Reason.NO_PAYLOAD, 0]


def test_a_run_of_suspects_survives_a_restart() -> None:
    """The verdicts after a restore are those of an uninterrupted run."""
    before, after = Watermark(_LATENESS_NS, _MAX_JUMP_NS), Watermark(_LATENESS_NS, _MAX_JUMP_NS)
    assert _judge(before, [1000, 1001, 5000, 5001]) == "aajj"
    after.restore(unpack(pack(before.snapshot())))
    assert _judge(after, [5002, 1000]) == "al"


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (StateImage({"state": "windows"}, {}), "state must be that of a watermark, was 'windows'"),
        (StateImage({"state": "watermark"}, {}), "section watermark must be one row"),
        (StateImage({"state": "watermark"}, {"watermark": np.zeros(1)}), "section watermark must be one row"),
    ],
)
def test_foreign_state_is_refused(image: StateImage, text: str) -> None:
    """A state of something else, or an incomplete one, is named and not taken over."""
    with pytest.raises(StateError, match=text):
        Watermark(_LATENESS_NS, _MAX_JUMP_NS).restore(image)
