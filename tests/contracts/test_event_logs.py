"""The contract of `EventLog` and what an `AlertReader` makes of it, on every output that can be read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from brokers.alert_logs import AlertLog, FileAlertLog, KafkaAlertLog, MemoryAlertLog, alert, messages
from brokers.kafka_topics import KafkaTopics
from pynomaly.application.alert_reader import AlertReader, AlertReading
from pynomaly.application.ports import Message
from pynomaly.domain.error import MissingInputError, StateError
from pynomaly_connectors.codecs.cloudevents_reading import read_event

DEADLINE_S = 20.0
LOGS = ["memory", "file", "mock_cluster", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(params=LOGS)
def output(request: pytest.FixtureRequest, tmp_path: Path, unique_name: Callable[[str], str]) -> AlertLog:
    """An output of each kind, empty."""
    if request.param == "memory":
        return MemoryAlertLog(request.getfixturevalue("memory_broker"))
    if request.param == "file":
        return FileAlertLog(tmp_path / "alerts.jsonl")
    if request.param == "mock_cluster":
        cluster = request.getfixturevalue("shared_mock_cluster")
        return KafkaAlertLog(KafkaTopics(cluster.bootstrap, cluster), unique_name("alerts"))
    return KafkaAlertLog(request.getfixturevalue("kafka"), unique_name("alerts"))


def opened(output: AlertLog, reading: AlertReading) -> AlertReader:
    """Return the code under test."""
    return AlertReader(output.log(), read_event, reading)


def read(output: AlertLog, reading: AlertReading | None = None) -> tuple[list[int], bytes]:
    """Read to the end; return the numbers of the alerts, and the position then."""
    with opened(output, reading or AlertReading(until_end=True)) as alerts:
        numbers = [found.offset for found in alerts]
        return numbers, alerts.position


def polled(alerts: AlertReader, count: int) -> list[int]:
    """Poll until ``count`` alerts have come; return their numbers."""
    numbers: list[int] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(numbers) < count:
        assert time.monotonic() < deadline, f"{count} alerts must come within {DEADLINE_S:g} s, were {numbers}"
        found = alerts.poll()
        numbers += [one.offset for one in found]
        if not found:
            alerts.wait()
    return numbers


def test_alerts_come_back_as_they_were(output: AlertLog) -> None:
    """Every field of an alert is there again, in the order of writing, and the end is told."""
    output.append(messages(range(30)))
    with opened(output, AlertReading(until_end=True)) as alerts:
        assert list(alerts) == [alert(number) for number in range(30)]
        assert (alerts.repeats, alerts.others) == (0, 0)


def test_an_empty_output_has_no_alerts(output: AlertLog) -> None:
    """A bounded read of nothing ends; what comes later is read from its position."""
    numbers, position = read(output)
    assert numbers == []
    output.append(messages([1, 2]))
    assert read(output, AlertReading(position, until_end=True))[0] == [1, 2]


@pytest.mark.parametrize("written", [[*range(8), *range(3, 12)], [0, 1, 0, 1, 2, 0, 1, 2, 3], [5, 5, 5]])
def test_repeats_are_left_out(output: AlertLog, written: Sequence[int]) -> None:
    """Whatever a flow wrote again after one or many crashes comes once, at its first place."""
    output.append(messages(written))
    once = list(dict.fromkeys(written))
    with opened(output, AlertReading(until_end=True)) as alerts:
        assert [found.offset for found in alerts] == once
        assert alerts.repeats == len(written) - len(once)
    assert read(output, AlertReading(once=False, until_end=True))[0] == written


def test_a_reader_goes_on_behind_any_alert(output: AlertLog) -> None:
    """Stopped at any alert and opened again at its position, it hands out the rest: nothing twice, nothing left out."""
    written = [0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6]
    output.append(messages(written))
    whole = list(dict.fromkeys(written))
    positions: list[bytes] = []
    with opened(output, AlertReading(until_end=True)) as alerts:
        for _ in alerts:
            positions.append(alerts.position)  # noqa: PERF401 - the position belongs to the step of the loop
    for taken, position in enumerate(positions, 1):
        assert read(output, AlertReading(position, until_end=True))[0] == whole[taken:]


def test_a_repeat_is_known_after_a_restart(output: AlertLog) -> None:
    """The first copy came before the reader stopped, the second one after it started: the position is enough."""
    output.append(messages(range(5)))
    numbers, position = read(output)
    output.append(messages([3, 4, 5]))
    again, position = read(output, AlertReading(position, until_end=True))
    output.append(messages([4, 5, 6]))
    last, _ = read(output, AlertReading(position, until_end=True))
    assert (numbers, again, last) == ([0, 1, 2, 3, 4], [5], [6])


@pytest.mark.parametrize("restarts", [False, True])
def test_the_memory_ends_where_it_says(output: AlertLog, restarts: bool) -> None:  # noqa: FBT001
    """A repeat is known up to the memory's offsets back and no further, whether or not the reader was restarted."""
    written = [0, 1, 2, 0, 3, 4, 5, 0]  # the copies of 0 lie 3 and 4 offsets apart
    position, numbers = None, list[int]()
    for number in written if restarts else [None]:
        output.append(messages(written if number is None else [number]))
        found, position = read(output, AlertReading(position, memory=3, until_end=True))
        numbers += found
    assert numbers == [0, 1, 2, 3, 4, 5, 0]


def test_the_latest_is_what_comes_from_now_on(output: AlertLog) -> None:
    """A repeat of what came before is no news either."""
    output.append(messages(range(5)))
    with opened(output, AlertReading(start="latest")) as alerts:
        output.append(messages([3, 4, 5, 6]))
        assert polled(alerts, 2) == [5, 6]
        position = alerts.position
    output.append(messages([6, 7]))
    assert read(output, AlertReading(position, until_end=True))[0] == [7]


def test_the_position_of_the_latest_is_kept_before_any_alert(output: AlertLog) -> None:
    """A reader that is stopped before anything came begins there again, not at a later end."""
    output.append(messages([1]))
    with opened(output, AlertReading(start="latest")) as alerts:
        assert alerts.poll() == []
        position = alerts.position
    output.append(messages([2]))
    assert read(output, AlertReading(position, start="latest", until_end=True))[0] == [2]


def test_new_alerts_come_without_end(output: AlertLog) -> None:
    """A live reader finds what is written while it waits."""
    with opened(output, AlertReading()) as alerts:
        for first in (0, 10, 20):
            output.append(messages(range(first, first + 10)))
            assert polled(alerts, 10) == list(range(first, first + 10))
        assert not alerts.at_end


def test_what_is_no_alert_is_passed_over_and_counted(output: AlertLog) -> None:
    """Messages of others in the same output disturb nobody."""
    output.append([*messages([1]), Message(b'{"foreign": true}', b"k"), *messages([2])])
    with opened(output, AlertReading(until_end=True)) as alerts:
        assert [found.offset for found in alerts] == [1, 2]
        assert alerts.others == 1


@pytest.mark.parametrize(
    "position", [b"nonsense", b"[]", b'{"version":9,"partitions":{}}', b'{"version":1,"partitions":{"other:0":"x"}}']
)
def test_a_foreign_position_is_refused(output: AlertLog, position: bytes) -> None:
    """Neither nonsense nor the position of another output starts a reader somewhere."""
    with pytest.raises(StateError, match="position must be one"):
        opened(output, AlertReading(position))


def test_a_missing_output_is_told(tmp_path: Path) -> None:
    """A file that no flow has written yet is no empty one."""
    log = FileAlertLog(tmp_path / "alerts.jsonl")
    (tmp_path / "alerts.jsonl").unlink()
    with pytest.raises(MissingInputError, match="file must exist"):
        opened(log, AlertReading())
