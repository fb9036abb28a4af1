"""Reading a file of alerts while a flow writes it, crashes, and writes it again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from brokers.alert_logs import alert
from pynomaly.application.alert_reader import AlertReader, AlertReading
from pynomaly.domain.error import UnavailableError
from pynomaly_connectors.codecs.cloudevents import encode, structured
from pynomaly_connectors.codecs.cloudevents_reading import read_event
from pynomaly_connectors.files.event_file import EventFile

LINES = [structured(encode(alert(number))) + b"\n" for number in range(400)]


def opened(path: Path, reading: AlertReading | None = None) -> AlertReader:
    """Return the code under test."""
    return AlertReader(EventFile(path), read_event, reading or AlertReading())


def numbers(alerts: AlertReader) -> list[int]:
    """Poll once; return the numbers of the alerts."""
    return [found.offset for found in alerts.poll()]


def write(path: Path, chosen: Sequence[int]) -> None:
    """Make a file of these alerts."""
    path.write_bytes(b"".join(LINES[number] for number in chosen))


def test_a_line_counts_when_it_is_whole(tmp_path: Path) -> None:
    """Half a line waits for the rest, live and in a bounded read."""
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(LINES[0] + LINES[1][:50])
    with opened(path) as alerts:
        assert numbers(alerts) == [0]
        assert numbers(alerts) == []
        with path.open("ab") as file:
            file.write(LINES[1][50:] + LINES[2])
        assert numbers(alerts) == [1, 2]
    path.write_bytes(LINES[0] + LINES[1][:50])
    with opened(path, AlertReading(until_end=True)) as alerts:
        assert [found.offset for found in alerts] == [0]


@pytest.mark.parametrize(
    ("durable", "again", "news"),
    [(3, [4, 3, 5], [5]), (0, [5, 1, 0, 2, 3, 4], [5]), (3, [], []), (5, [5], [5]), (2, [4, 3, 2], [])],
    ids=["another order", "from the beginning", "nothing yet", "nothing cut", "as long as before"],
)
def test_a_file_that_was_cut_back_is_followed(
    tmp_path: Path, durable: int, again: Sequence[int], news: Sequence[int]
) -> None:
    """The flow crashed and wrote again in another order: what is new comes, what was shown does not."""
    path = tmp_path / "alerts.jsonl"
    write(path, range(5))
    with opened(path) as alerts:
        assert numbers(alerts) == [0, 1, 2, 3, 4]
        write(path, [*range(durable), *again])
        assert numbers(alerts) == list(news)
        with path.open("ab") as file:
            file.write(LINES[9])
        assert numbers(alerts) == [9]


def test_a_cut_that_keeps_the_last_line_in_its_place_is_seen(tmp_path: Path) -> None:
    """Events of several input partitions may change places under a line that stays where it is."""
    path = tmp_path / "alerts.jsonl"
    write(path, [10, 11, 14])
    with opened(path) as alerts:
        assert numbers(alerts) == [10, 11, 14]
        assert len(LINES[11]) == len(LINES[18])
        write(path, [10, 18, 14, 11])
        assert numbers(alerts) == [18]


def test_random_crashes_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Cut back at random places and written on in random order, the file gives every alert once."""
    random = np.random.default_rng(8)
    path = tmp_path / "alerts.jsonl"
    path.touch()
    content, left, found = list[int](), list(range(400)), list[int]()
    with opened(path) as alerts:
        while left:
            cut = int(random.integers(max(0, len(content) - 15), len(content) + 1))
            left = content[cut:] + left
            head = left[:30]
            random.shuffle(head)
            left[:30] = head
            taken = int(random.integers(0, 25))
            content, left = content[:cut] + left[:taken], left[taken:]
            write(path, content)
            found += numbers(alerts)
    assert sorted(found) == list(range(400))


def test_a_file_cut_back_while_nobody_looked_is_shown_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody knows what was taken: rather twice than not at all, and the log says so."""
    path = tmp_path / "alerts.jsonl"
    write(path, range(5))
    with opened(path) as alerts:
        assert numbers(alerts) == [0, 1, 2, 3, 4]
        position = alerts.position
    write(path, [0, 1, 4, 5, 3])
    with caplog.at_level(logging.WARNING), opened(path, AlertReading(position, memory=3)) as alerts:
        assert [*numbers(alerts), *numbers(alerts)] == [4, 5, 3]
    assert [record.getMessage() for record in caplog.records] == ["alerts_file_cut_back"]


def test_another_file_is_told(tmp_path: Path) -> None:
    """A file that has nothing in common with what was read stops the reader."""
    path = tmp_path / "alerts.jsonl"
    write(path, range(20))
    with opened(path, AlertReading(memory=5)) as alerts:
        assert len(numbers(alerts)) == 20
        write(path, range(100, 120))
        with pytest.raises(UnavailableError, match="must be the one that was read before"):
            alerts.poll()
