"""Positions in a log, and when they no longer hold."""

from __future__ import annotations

import pytest

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.record import Stream
from pynomaly_connectors.log_position import Log, LogPosition

LOG = Log(Stream("records", 1, "id-a"), low=10, high=20)


def test_a_position_survives_as_bytes() -> None:
    """The token is plain JSON that an operator can read in the recovery store."""
    position = LogPosition(12, "id-a")
    assert position.to_bytes() == b'{"incarnation":"id-a","offset":12,"version":1}'
    assert LogPosition.from_bytes(position.to_bytes()) == position


@pytest.mark.parametrize("token", [b"", b"12", b"[]", b'{"offset":1}', b'{"incarnation":"a","offset":"1","version":1}'])
def test_other_bytes_are_refused(token: bytes) -> None:
    """State of something else never becomes an offset."""
    with pytest.raises(StateError, match="saved position must be"):
        LogPosition.from_bytes(token)


def test_a_newer_version_is_refused() -> None:
    """A downgrade says so."""
    with pytest.raises(StateError, match="must be of version 1"):
        LogPosition.from_bytes(b'{"incarnation":"a","offset":1,"version":2}')


@pytest.mark.parametrize(("start", "offset"), [("earliest", 10), ("latest", 20)])
def test_without_position_the_configured_end_decides(start: str, offset: int) -> None:
    """A first start is a concrete offset from then on."""
    assert LOG.first_offset(None, "latest" if start == "latest" else "earliest") == offset


@pytest.mark.parametrize("offset", [10, 15, 20])
def test_a_saved_offset_within_the_log_is_taken(offset: int) -> None:
    """Both ends belong to it: at the upper one nothing waits yet."""
    assert LOG.first_offset(LogPosition(offset, "id-a").to_bytes(), "latest") == offset


def test_records_lost_to_retention_are_named() -> None:
    """A gap in the input is never passed over in silence."""
    with pytest.raises(
        UnavailableError, match=r"offset 7, was 10 to 20: records 7 to 9 were deleted by retention; start over"
    ):
        LOG.first_offset(LogPosition(7, "id-a").to_bytes(), "earliest")


def test_a_log_cut_back_is_named() -> None:
    """A position ahead of the log means that the log lost its tail."""
    with pytest.raises(
        UnavailableError, match=r"offset 21, was 10 to 20: the log was cut back to 20, so .*; start over"
    ):
        LOG.first_offset(LogPosition(21, "id-a").to_bytes(), "earliest")


def test_another_log_of_the_same_name_is_refused_with_both_ids() -> None:
    """Only the id tells a recreated topic that has grown past the position."""
    with pytest.raises(StateError, match=r"records\[1\] must be the stream .* \(id id-b\), was id id-a"):
        LOG.first_offset(LogPosition(15, "id-b").to_bytes(), "earliest")


@pytest.mark.parametrize(("saved", "current"), [("", "id-a"), ("id-a", "")])
def test_where_an_id_is_unknown_offsets_alone_decide(saved: str, current: str) -> None:
    """Brokers before 2.8 have no topic ids."""
    log = Log(Stream("records", 1, current), 10, 20)
    assert log.first_offset(LogPosition(15, saved).to_bytes(), "earliest") == 15
