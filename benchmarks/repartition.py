"""What it costs to copy an input by series, and to read the copies: both stages over one topic, against a plain flow.

The plain flow reads the same copies as if they were an input that is keyed: the difference is what telling repeats
costs. Figures are user and system time of a process and its children, less that of a run over nothing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

import yaml
from kafka_flow import measure
from row import Row
from topic import fill, kafka, new_topic

from brokers.kafka_topics import KafkaTopics

_STEPS: Final = ("copying by series", "judging copies", "judging them as a keyed input")
_PYNOMALY: Final = str(Path(sys.executable).with_name("pynomaly"))


def repartition_rows(rounds: int, records: int) -> list[Row]:
    """Measure both stages."""
    with kafka() as topics, tempfile.TemporaryDirectory() as folder:
        full, empty = (new_topic(topics, what) for what in ("full", "empty"))
        fill(topics, full, records)
        _Runs(topics, empty, Path(folder) / "warm").all()
        found = [
            (
                _Runs(topics, full, Path(folder) / f"full-{number}"),
                _Runs(topics, empty, Path(folder) / f"empty-{number}"),
            )
            for number in range(rounds)
        ]
        costs = [(one.all(), none.all()) for one, none in found]
    us = [median((one[k] - none[k]) / records * 1e6 for one, none in costs) for k in range(len(_STEPS))]
    raw: dict[str, object] = {"records": records, "CPU seconds, with records and without": costs}
    steps = [
        Row(f"{name} [us of CPU a record]", cost, cost, None, raw=raw) for name, cost in zip(_STEPS, us, strict=True)
    ]
    repeats = us[1] - us[2]
    return [*steps, Row("telling repeats [us of CPU a record]", repeats, repeats, 0.5, at_most=True, raw=raw)]


class _Runs:
    """The stages over one topic, and a plain flow over its copies.

    Parameters
    ----------
    topics
        The cluster.
    topic
        The input.
    folder
        For flow files and state.
    """

    def __init__(self, topics: KafkaTopics, topic: str, folder: Path) -> None:
        self._topics = topics
        self._copies = new_topic(topics, "by-series")
        self._folder = folder
        self._topic = topic
        folder.mkdir()

    def all(self) -> tuple[float, float, float]:
        """Return the CPU time of copying, of judging, and of judging as a plain flow [s]."""
        source = {"topic": self._topic, "keying": "repartition", "repartition": {"topic": self._copies}}
        copying = self._run("copying", source, "--stage", "repartition")
        judging = self._run("judging", source, "--stage", "detect")
        return copying, judging, self._run("plain", {"topic": self._copies})

    def _run(self, name: str, source: dict[str, object], *arguments: str) -> float:
        connection = {"kind": "kafka", "bootstrap": self._topics.bootstrap}
        file = self._folder / f"{name}.yaml"
        flow = {
            "flow": "benchmark",
            "source": {**connection, **source},
            "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
            "detectors": ["ew_zscore"],
            "output": {"alerts": {**connection, "topic": new_topic(self._topics, "alerts")}},
        }
        file.write_text(yaml.safe_dump(flow))
        state = str(self._folder / f"state-{name}")
        command = [_PYNOMALY, "run", str(file), "--until-end", "--state", state, "--log-level=error", *arguments]
        return measure(command, os.environ).cpu_s
