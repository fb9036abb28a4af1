"""When a reader that falls behind will lose records: the trends of age and lag against what a topic keeps."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import pytest

from pynomaly.domain.record import Stream
from pynomaly_connectors.kafka.loss_forecast import LossForecast, Retention, Standing
from pynomaly_connectors.kafka.topic_retention import retention_of

_DAY_S = 86_400.0
_EPOCH_S = 1_700_000_000.0
WEEK = Retention(age_s=7 * _DAY_S)
BY_SIZE = Retention(by_size=True)


class Reader:
    """A reader and its partition: every ten seconds some records more are written, read and deleted."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self.time_s = 0.0
        self.low, self.high, self.offset = 0, 1_000, 0
        self.age_s = 0.0
        self.forecast = LossForecast(Stream("t"), lambda: self.time_s, lambda: _EPOCH_S + self.time_s)

    def passes(
        self, ticks: int, *, written: int = 1_000, read: int = 1_000, deleted: int = 0, older_s: float = 0.0
    ) -> float:
        """Let ticks of ten seconds pass; return the forecast after them."""
        for _ in range(ticks):
            self.time_s += 10.0
            self.high += written
            self.offset += read
            self.low += deleted
            self.age_s += older_s
            newest_ms = round((_EPOCH_S + self.time_s - self.age_s) * 1_000)
            assert self.forecast.is_due
            self.forecast.observe(Standing(self.low, self.high, self.offset, newest_ms), self._retention)
        return self.forecast.lost_in_s


def test_a_reader_that_falls_behind_by_age() -> None:
    """A day old, and older by a second every second: the rest of the week is left."""
    reader = Reader(WEEK)
    reader.age_s = _DAY_S
    assert reader.passes(60, read=0, older_s=10.0) == pytest.approx(6 * _DAY_S - 600)


def test_the_pace_is_what_counts() -> None:
    """Reading three quarters of what comes makes the age grow by a quarter of a second a second."""
    reader = Reader(WEEK)
    reader.age_s = _DAY_S
    assert reader.passes(60, read=750, older_s=2.5) == pytest.approx((6 * _DAY_S - 150) * 4)


def test_a_change_of_pace_is_seen_within_minutes() -> None:
    """Only the last five minutes count."""
    reader = Reader(WEEK)
    reader.age_s = 3 * _DAY_S
    reader.passes(60, read=0, older_s=10.0)
    assert reader.passes(31, older_s=-40.0) == math.inf
    assert reader.passes(31, read=0, older_s=10.0) == pytest.approx(7 * _DAY_S - reader.age_s)


def test_what_is_already_too_old_is_lost_now() -> None:
    """Never a negative time."""
    reader = Reader(WEEK)
    reader.age_s = 8 * _DAY_S
    assert reader.passes(6, read=0, older_s=10.0) == 0.0


@pytest.mark.parametrize(
    ("age_s", "older_s", "ticks"),
    [
        (_DAY_S, -1.0, 60),  # catches up
        (_DAY_S, 0.0, 60),  # as far behind as ever
        (0.05 * 7 * _DAY_S, 10.0, 60),  # a twentieth of the week is used up: may be a burst
        (_DAY_S, 10.0, 3),  # twenty seconds are no trend
    ],
)
def test_no_loss_is_foreseen(age_s: float, older_s: float, ticks: int) -> None:
    """Where nothing will be lost, or nobody can know."""
    reader = Reader(WEEK)
    reader.age_s = age_s
    assert reader.passes(ticks, older_s=older_s) == math.inf


def test_who_has_read_everything_loses_nothing() -> None:
    """However old the last record is: no producer writes any more."""
    reader = Reader(WEEK)
    reader.age_s = 6 * _DAY_S
    reader.offset = reader.high
    assert reader.passes(60, written=0, read=0, older_s=10.0) == math.inf


def test_a_reader_that_falls_behind_by_size() -> None:
    """The log keeps 100,000 records; the lag of 50,000 grows by 500 in ten seconds."""
    reader = Reader(BY_SIZE)
    reader.low, reader.offset, reader.high = 1_000, 51_000, 101_000
    assert reader.passes(20, read=500, deleted=1_000) == pytest.approx((100_000 - 60_000) / 50)


def test_a_log_that_was_never_cut_has_no_known_size() -> None:
    """Until the first deletion there is no forecast, however fast the lag grows."""
    assert Reader(BY_SIZE).passes(60, read=0) == math.inf


def test_size_says_nothing_where_only_age_counts() -> None:
    """Records of a quiet night are fewer than those of the busy hour before, and no less safe."""
    reader = Reader(WEEK)
    reader.low, reader.offset, reader.high = 1_000, 2_000, 3_000
    assert reader.passes(20, read=0, older_s=10.0) == math.inf


def test_messages_without_timestamps_have_no_age() -> None:
    """Then only the size counts."""
    time_s = 0.0
    forecast = LossForecast(Stream("t"), lambda: time_s, lambda: _EPOCH_S)
    for tick in range(20):
        time_s = 10.0 * (tick + 1)
        forecast.observe(Standing(0, 1_000 * tick + 1, 0, None), WEEK)
    assert forecast.lost_in_s == math.inf


def test_samples_are_taken_every_five_seconds() -> None:
    """In between nothing is asked."""
    time_s = 0.0
    forecast = LossForecast(Stream("t"), lambda: time_s)
    due: list[float] = []
    for time_s in range(21):
        if forecast.is_due:
            due.append(time_s)
            forecast.observe(Standing(0, 1, 1, None), WEEK)
    assert due == [5, 10, 15, 20]


def test_it_is_told_when_it_becomes_serious_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """Within a day, again whenever half of the time is gone, and once when the reader keeps up again."""
    caplog.set_level(logging.INFO)
    reader = Reader(WEEK)
    reader.age_s = 5.9 * _DAY_S
    reader.passes(60 * 6, read=0, older_s=10.0)
    assert not caplog.records  # 25 hours are left
    reader.passes(24 * 60 * 6, read=0, older_s=10.0)
    left_h = [record.__dict__["lost_in_s"] / 3_600 for record in caplog.records]
    assert left_h[:5] == pytest.approx([24, 12, 6, 3, 1.5], rel=0.01)
    assert {record.message for record in caplog.records} == {"kafka_records_will_be_lost"}
    caplog.clear()
    reader.passes(60, older_s=-100.0)
    assert [record.message for record in caplog.records] == ["kafka_records_are_safe_again"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1"}, WEEK),
        ({"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "1073741824"}, BY_SIZE),
        ({"cleanup.policy": "compact,delete", "retention.ms": "1000"}, Retention(age_s=1.0)),
        ({"cleanup.policy": "compact", "retention.ms": "604800000", "retention.bytes": "1"}, Retention()),
        ({"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}, Retention()),
        ({}, Retention()),
    ],
)
def test_what_a_topic_keeps_is_read_from_its_settings(settings: Mapping[str, str | None], expected: Retention) -> None:
    """Compaction alone deletes nothing that a reader of the log could miss by its age."""
    assert retention_of(settings) == expected
