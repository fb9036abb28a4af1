"""Effects of alerts, each exactly once: a flow that repeats itself, and a consumer that is killed at random moments.

CI: 300 alerts, 2 kills. ``E2E_SIZE=full``: 20,000 alerts, 40 kills.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from brokers.alert_logs import KafkaAlertLog, messages
from brokers.kafka_topics import KafkaTopics, until
from e2e.job import Program
from e2e.size import size
from pynomaly.application.ports import Message

_ALERTS = size(300, 20_000)
_KILLS = size(2, 40)
_CONSUMER = Path(__file__).with_name("alert_consumer.py")
_SERIES = 5

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def _pages(database: Path) -> list[str]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        try:
            return [row[0] for row in store.execute("SELECT id FROM pages")]
        except sqlite3.OperationalError:
            return []  # not made yet


def _as_after_crashes(numbers: Sequence[int], random: np.random.Generator) -> list[Message]:
    """Return alerts with stretches written again, as a flow does that was killed."""
    written, done = list[Message](), 0
    while done < len(numbers):
        stop = min(len(numbers), done + int(random.integers(1, 40)))
        back = max(0, done - int(random.integers(0, 30)))
        written += [message for number in numbers[back:stop] for message in _message(number)]
        done = stop
    return written


def _message(number: int) -> list[Message]:
    return messages([number], f"pump-{number % _SERIES}")


def test_effects_happen_once_although_flow_and_consumer_die(
    kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """Rows and position in one transaction: after any kills every alert has one row, and each key's are in order."""
    output, database = KafkaAlertLog(kafka, unique_name("alerts"), 3), tmp_path / "pages.db"
    random = np.random.default_rng(17)
    command = (_CONSUMER, output.spec.model_dump_json(), database)
    parts = np.array_split(np.arange(_ALERTS), _KILLS + 1)
    for number, part in enumerate(parts):
        job = program.start_python(*command)
        output.append(_as_after_crashes(part.tolist(), random))
        wanted = int(random.integers(part[0], part[-1])) if number < _KILLS else _ALERTS

        def reached(count: int = wanted) -> bool:
            assert job.alive, job.err  # noqa: B023 - called within the turn
            return len(_pages(database)) >= count

        until(reached, f"{wanted} alerts are taken", 60.0)
        time.sleep(random.uniform(0.0, 0.05))  # that the moment is random is the point
        assert job.kill().code == -9
    found = _pages(database)
    expected = [dict(_message(number)[0].headers)["ce_id"].decode() for number in range(_ALERTS)]
    assert sorted(found) == sorted(expected)
    order = {identity: place for place, identity in enumerate(expected)}
    for series in range(_SERIES):
        places = [order[identity] for identity in found if order[identity] % _SERIES == series]
        assert places == sorted(places)
