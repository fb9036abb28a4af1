"""Readings for the soak: mostly clean, and of everything else that a topic holds a little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import orjson

from e2e.test_damaged_records import DAMAGES
from e2e.traffic import FIRST_MS, Record

PARTITIONS: Final = 4
SERIES: Final = 60
STEP_MS: Final = 20
_LATE_MS: Final = 30_000
_FAR_MS: Final = 4 * 86_400_000
_SPIKE: Final = 40.0
_REMEMBERED: Final = 500  # so that a repeat comes within the flow's horizon, and in its own partition


def mixture(seed: int) -> Iterator[Record]:
    """Make records without end; equal seeds give equal records.

    Of a thousand some 8 are damaged, 10 sent before, 4 late, 2 from the far future, 10 of a series that nobody has seen
    and nobody will see again, and 10 spikes.
    """
    random = np.random.default_rng(seed)
    number = 0
    sent: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    while True:
        kinds = random.choice(
            ["damaged", "repeated", "late", "far", "new", "spike", "clean"],
            size=1_000,
            p=[0.008, 0.01, 0.004, 0.002, 0.01, 0.01, 0.956],
        )
        for kind, noise in zip(kinds.tolist(), random.normal(50.0, 1.0, len(kinds)).tolist(), strict=True):
            partition = number % PARTITIONS
            before = sent[partition]
            if kind == "repeated" and before:
                yield before[int(random.integers(len(before)))]
                continue
            record = _record(number, kind, noise)
            if kind == "damaged":
                damage, _ = DAMAGES[int(random.integers(len(DAMAGES)))]
                yield record._replace(value=damage(record.value or b""))
            else:
                yield record
                before.append(record)
                del before[:-_REMEMBERED]
            number += 1


def _record(number: int, kind: str, noise: float) -> Record:
    moment = FIRST_MS + STEP_MS * number
    shift = {"late": -_LATE_MS, "far": _FAR_MS}.get(kind, 0)
    series = f"once-{number}" if kind == "new" else f"sensor-{number % SERIES:04d}"
    value = noise + (_SPIKE if kind == "spike" else 0.0)
    payload = {"id": f"m-{number}", "ts": moment + shift, "series": series, "value": round(value, 4)}
    return Record(number % PARTITIONS, series.encode(), orjson.dumps(payload))
