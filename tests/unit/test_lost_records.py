"""What is written down of records that retention took before they were read."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.record import Stream
from pynomaly_connectors.kafka.gap_ledger import Gap, GapLedger, Gaps
from pynomaly_connectors.kafka.lost_records import LostRecords
from pynomaly_connectors.log_position import Log

STREAM = Stream("events", 3, "id")


def policy(out_of_range: str, folder: Path | None) -> LostRecords:
    """Return the policy of one run of a flow."""
    spec = {"kind": "kafka", "bootstrap": "b:1", "topic": "events", "out_of_range": out_of_range}
    return LostRecords(KafkaSource.model_validate(spec), None if folder is None else GapLedger(folder))


def kept(folder: Path) -> tuple[Gap, ...]:
    """Return what the ledger holds."""
    return GapLedger(folder).read("events", 3).latest


@pytest.mark.parametrize(("out_of_range", "target"), [("earliest", 200), ("latest", 300)])
def test_a_gap_is_written_down_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, out_of_range: str, target: int
) -> None:
    """From, to and how many, in the log and in the state folder; the next start tells it again."""
    lost = policy(out_of_range, tmp_path / "starts")
    with caplog.at_level(logging.WARNING):
        assert lost.pass_over(Log(STREAM, 200, 300), 80) == target
        policy(out_of_range, tmp_path / "starts").recall(STREAM)
    assert kept(tmp_path / "starts") == (Gap(80, target),)
    skipped, recalled = (vars(record) for record in caplog.records)
    told = {name: skipped[name] for name in ("msg", "stream", "first", "end", "offsets", "policy")}
    assert told == {
        "msg": "kafka_records_skipped",
        "stream": "events[3]",
        "first": 80,
        "end": target,
        "offsets": target - 80,
        "policy": out_of_range,
    }
    assert (recalled["msg"], recalled["gaps"], recalled["offsets"]) == ("kafka_records_were_skipped", 1, target - 80)


def test_a_flow_that_is_to_stop_stops(tmp_path: Path) -> None:
    """By default nothing is passed over, and nothing written."""
    with pytest.raises(UnavailableError, match="records 80 to 199 were deleted by retention"):
        policy("fail", tmp_path).pass_over(Log(STREAM, 200, 300), 80)
    assert kept(tmp_path) == ()


@pytest.mark.parametrize("out_of_range", ["fail", "earliest", "latest"])
def test_a_log_that_was_cut_back_stops_every_flow(tmp_path: Path, out_of_range: str) -> None:
    """Its next records get the offsets, and their alerts the ids, of others."""
    with pytest.raises(UnavailableError, match="the log was cut back to 300, so that other records get the offsets"):
        policy(out_of_range, tmp_path).pass_over(Log(STREAM, 200, 300), 301)
    assert kept(tmp_path) == ()


def test_without_state_nothing_is_kept() -> None:
    """A run that is never resumed is told by its log and its summary."""
    assert policy("earliest", None).pass_over(Log(STREAM, 200, 300), 80) == 200


def test_a_crash_after_a_gap_goes_on_at_the_same_record(tmp_path: Path) -> None:
    """The newest end of the topic is further now; what was read behind the gap before the crash is read again."""
    policy("latest", tmp_path).pass_over(Log(STREAM, 200, 300), 80)
    assert policy("latest", tmp_path).pass_over(Log(STREAM, 250, 500), 50) == 300
    assert kept(tmp_path) == (Gap(50, 300),)


def test_a_record_that_is_gone_as_well_is_no_place_to_go_on(tmp_path: Path) -> None:
    """Then the policy decides anew, and one gap takes the place of the other."""
    policy("earliest", tmp_path).pass_over(Log(STREAM, 200, 300), 80)
    assert policy("earliest", tmp_path).pass_over(Log(STREAM, 250, 500), 50) == 250
    assert kept(tmp_path) == (Gap(50, 250),)


def test_later_gaps_stand_behind_earlier_ones(tmp_path: Path) -> None:
    """A gap from before the checkpoint is history."""
    policy("earliest", tmp_path).pass_over(Log(STREAM, 200, 300), 80)
    assert policy("latest", tmp_path).pass_over(Log(STREAM, 400, 500), 260) == 500
    assert kept(tmp_path) == (Gap(80, 200), Gap(260, 500))


def test_the_ledger_is_bounded() -> None:
    """A thousand gaps stand there, of the others their number and sum."""
    gaps = Gaps()
    for number in range(1_500):
        gaps = gaps.with_gap(Gap(10 * number, 10 * number + 3))
    assert (len(gaps.latest), gaps.count, gaps.offsets) == (1_000, 1_500, 4_500)
    assert gaps.latest[-1] == Gap(14_990, 14_993)
    assert Gaps.from_bytes(gaps.to_bytes()) == gaps


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"gaps":[1],"earlier":{"gaps":0,"offsets":0},"version":1}', b'{"gaps":[],"version":1}']
)
def test_a_damaged_ledger_stops_the_flow(tmp_path: Path, content: bytes) -> None:
    """What was skipped must not be forgotten."""
    (tmp_path / "events.3.gaps").write_bytes(content)
    with pytest.raises(StateError, match=r"events\.3\.gaps must say which records the flow has skipped, was damaged"):
        policy("earliest", tmp_path).recall(STREAM)


def test_a_folder_that_cannot_be_written_stops_the_flow(tmp_path: Path) -> None:
    """Not one record behind a gap is read before the gap is written down."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UnavailableError, match="must be a file that can be read and written"):
        policy("earliest", tmp_path / "state").pass_over(Log(STREAM, 200, 300), 80)
