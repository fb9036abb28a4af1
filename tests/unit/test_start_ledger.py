"""The ledger of a flow that starts at the end of a topic: written once, read ever after."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly_connectors.kafka.start_ledger import StartLedger, Starts
from pynomaly_connectors.log_position import LogPosition

STARTS = Starts("id-a", {0: 12, 10: 0})


def unasked() -> Starts:
    """Stand for a cluster that must not be asked."""
    raise AssertionError("the starts must come from the ledger")


def test_the_first_start_is_kept(tmp_path: Path) -> None:
    """What the first start resolved holds for every later one, in a folder that the ledger makes."""
    folder = tmp_path / "state" / "starts"
    assert StartLedger(folder).starts("events", lambda: STARTS) == STARTS
    assert StartLedger(folder).starts("events", unasked) == STARTS
    assert [path.name for path in folder.iterdir()] == ["events.json"]


def test_a_kept_start_is_a_position_of_its_topic(tmp_path: Path) -> None:
    """It is checked like any saved position; a partition that came later has none."""
    starts = StartLedger(tmp_path).starts("events", lambda: STARTS)
    assert starts.position(10) == LogPosition(0, "id-a").to_bytes()
    assert starts.position(11) is None


def test_topics_are_kept_apart(tmp_path: Path) -> None:
    """A flow that was given another topic starts there anew."""
    StartLedger(tmp_path).starts("events", lambda: STARTS)
    assert StartLedger(tmp_path).starts("others", lambda: Starts("id-b", {0: 1})).offsets == {0: 1}


def test_of_two_processes_that_start_at_once_one_decides(tmp_path: Path) -> None:
    """The one that comes second takes over what stands there instead of its own."""

    def while_another_writes() -> Starts:
        StartLedger(tmp_path).starts("events", lambda: STARTS)
        return Starts("id-a", {0: 13, 10: 1})

    assert StartLedger(tmp_path).starts("events", while_another_writes) == STARTS


def test_a_start_that_failed_leaves_nothing(tmp_path: Path) -> None:
    """The next one resolves all partitions again: half of them would be taken for partitions that came later."""

    def broken() -> Starts:
        raise UnavailableError("the cluster must answer")

    with pytest.raises(UnavailableError, match="the cluster"):
        StartLedger(tmp_path).starts("events", broken)
    assert StartLedger(tmp_path).starts("events", lambda: STARTS) == STARTS


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"incarnation":"a","offsets":{"x":1},"version":1}', b'{"incarnation":"a","offsets":{},"version":2}'],
)
def test_a_damaged_ledger_stops_the_start(tmp_path: Path, content: bytes) -> None:
    """Guessing would skip records."""
    (tmp_path / "events.json").write_bytes(content)
    with pytest.raises(StateError, match=r"events\.json must say where the flow began to read, was damaged"):
        StartLedger(tmp_path).starts("events", unasked)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Without the ledger not one record is read."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UnavailableError, match=r"must be a file that can be written, was not: .*state folder"):
        StartLedger(tmp_path / "state" / "starts").starts("events", lambda: STARTS)
