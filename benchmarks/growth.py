"""How the cost of a record and the memory grow with the number of series: the engine, from decoded columns to events.

Each size has a process of its own, which nothing else has grown: every series comes often enough to be calibrated, then
records of all series come in random order.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from row import Row

from pynomaly.application.spec.explain import bytes_per_series
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.bootstrap import services_of
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream

_SMALLEST = 1_000
_BATCH = 10_000
_WARM_UP = 50
_RECORDS = 2_000_000
_STREAM = Stream("readings")
_NAME = b"host-%07d"


@dataclass(frozen=True, slots=True)
class Size:
    """What one process measured: CPU time of a record [us], and memory of a series [bytes]."""

    series: int
    us: float
    resident: float
    documented: float


def growth_rows(largest: int) -> list[Row]:
    """Measure sizes from 1,000 series on, ten times as many each time, up to the largest."""
    sizes = [_measured(series) for series in (10**power for power in range(3, 10)) if series <= largest]
    first = sizes[0]
    rows = [
        Row(
            f"engine, {size.series:,} series [us CPU/record]",
            size.us,
            size.us / first.us,
            3.0,
            first.us,
            f"{first.series:,} series",
            at_most=True,
            raw=asdict(size),
        )
        for size in sizes[1:]
    ]
    last = sizes[-1]
    name = f"memory of a series, {last.series:,} series [bytes]"
    memory = Row(
        name,
        last.resident,
        last.resident / last.documented,
        1.25,
        last.documented,
        "documented",
        at_most=True,
        raw=asdict(last),
    )
    return [*rows, memory]


def _measured(series: int) -> Size:
    command = [sys.executable, str(Path(__file__)), str(series)]
    return Size(**json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


class Feed:
    """Batches of one stream, in the order of its offsets.

    Parameters
    ----------
    series
        How many there are.
    """

    def __init__(self, series: int) -> None:
        self._names = np.frombuffer(b"".join(_NAME % number for number in range(series)), np.uint8)
        self._width = len(_NAME % 0)
        self._offset = 0
        self._random = np.random.default_rng(11)

    def batch(self, numbers: NDArray[np.int64]) -> RecordBatch:
        """Return a record of each of these series, a millisecond apart."""
        n = len(numbers)
        offset = np.arange(self._offset, self._offset + n)
        self._offset += n
        keys = KeyColumn(self._names, numbers * self._width, np.full(n, self._width))
        values = self._random.normal(50.0, 5.0, (n, 1))
        return RecordBatch(_STREAM, offset, offset * 1_000_000, keys, values, np.zeros(n, np.uint8))


def measure(series: int) -> Size:
    """Be one process."""
    spec = _spec(series)
    engine = services_of(spec).engine_for(_STREAM)
    feed, random = Feed(series), np.random.default_rng(12)
    engine.process(feed.batch(np.zeros(1, np.int64)))  # loads the kernels
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    for _ in range(_WARM_UP + 1):
        for first in range(0, series, _BATCH):
            engine.process(feed.batch(np.arange(first, min(series, first + _BATCH))))
    gc.collect()
    resident = (process.memory_info().rss - before) / series
    batches = [feed.batch(random.integers(0, series, _BATCH)) for _ in range(_RECORDS // _BATCH)]
    since = time.process_time()
    for batch in batches:
        engine.process(batch)
    us = (time.process_time() - since) / _RECORDS * 1e6
    documented = bytes_per_series(spec) + len(_NAME % 0)  # what `pynomaly flows explain` says, and the key
    return Size(series, us, resident, documented)


def _spec(series: int) -> FlowSpec:
    return FlowSpec.model_validate(
        {
            "flow": "growth",
            "source": {"kind": "memory", "topic": "readings"},
            "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
            "detectors": [{"detector": "ew_zscore", "calibration": {"warm_up": _WARM_UP}}],
            "limits": {"series": max(_SMALLEST, series)},
            "output": {"alerts": {"kind": "memory", "topic": "alerts"}},
        }
    )


if __name__ == "__main__":
    print(json.dumps(asdict(measure(int(sys.argv[1])))))
