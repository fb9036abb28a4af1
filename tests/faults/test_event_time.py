"""Times that are out of order, late, or from the far future: who is affected, and who is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
import pytest

from e2e.flow_file import Tree
from e2e.traffic import FIRST_MS
from fault_table import Figures
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.tally import Tally
from pynomaly.bootstrap import services_of
from pynomaly_connectors.memory import Broker
from pynomaly_flows.live import LiveOptions, run_live

_RECORDS: Final = 20_000
_STEP_MS: Final = 100
_LATENESS_MS: Final = 3_000
_FOUR_DAYS_MS: Final = 4 * 86_400_000
_OUTPUTS: Final = ("alerts", "late", "dead_letters", "outcomes")
_NEAR_END: Final = _RECORDS - 1_000  # what comes after it closes the windows that are compared


class _Reading(NamedTuple):
    time_ms: int
    series: str
    value: float


class _Seen(NamedTuple):
    alerts: list[tuple[object, ...]]
    late: list[int]
    letters: list[tuple[int, str]]
    outcomes: list[int]


def _readings() -> list[_Reading]:
    random = np.random.default_rng(4)
    values = random.normal(20.0, 1.0, _RECORDS) + 25.0 * (random.random(_RECORDS) < 0.002)
    return [
        _Reading(FIRST_MS + _STEP_MS * number, f"pump-{number % 7}", value)
        for number, value in enumerate(values.tolist())
    ]


@pytest.fixture
def run(memory_broker: Broker, tmp_path: Path) -> Callable[[str, Sequence[_Reading]], _Seen]:
    """Return what runs readings through a flow of windows, and what then stands in its outputs."""

    def run(name: str, readings: Sequence[_Reading]) -> _Seen:
        for output in _OUTPUTS:
            memory_broker.create_topic(f"{name}-{output}")
        for reading in readings:
            payload = {"ts": reading.time_ms, "series": reading.series, "value": reading.value}
            memory_broker.append(name, orjson.dumps(payload))
        spec = FlowSpec.model_validate(_flow(name))
        run_live(services_of(spec), Tally(), LiveOptions(tmp_path / name, until_end=True))
        return _seen(memory_broker, name)

    return run


def _flow(topic: str) -> Tree:
    return {
        "flow": "event-time",
        "source": {"kind": "memory", "topic": topic, "batch_records": 173},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "window": {
            "kind": "tumbling",
            "size": "5s",
            "aggregates": ["mean", "max"],
            "lateness": f"{_LATENESS_MS}ms",
            "max_jump": "1d",
        },
        "detectors": [{"detector": "ew_zscore", "fields": ["value.max"], "calibration": {"warm_up": 30}}],
        "alert": {"levels": {"watch": 1.2, "warning": 3}, "bump": 1},
        "output": {
            **{name: {"kind": "memory", "topic": f"{topic}-{name}"} for name in _OUTPUTS},
            "outcomes_of": "all",
        },
        "checkpoint": {"every": "20ms"},
    }


def _seen(broker: Broker, topic: str) -> _Seen:
    alerts, late, outcomes = (
        [orjson.loads(message.value or b"") for message in broker.records(f"{topic}-{name}")]
        for name in ("alerts", "late", "outcomes")
    )
    letters = [dict(letter.headers) for letter in broker.records(f"{topic}-dead_letters")]
    return _Seen(
        sorted(map(_verdict, alerts)),
        [data["stream"]["offset"] for data in late],
        [(int(one["__connect.errors.offset"] or b""), (one["pynomaly.reason"] or b"").decode()) for one in letters],
        sorted(line["offset"] for line in outcomes if "offset" in line),
    )


def _verdict(data: dict[str, Any]) -> tuple[object, ...]:
    """Leave out where the record stood that closed the window: in another order it is another one."""
    return data["series"], data["window"]["start"], data["level"], data["evidence"], data["values"]["value.max"]


def test_disorder_within_the_lateness(
    run: Callable[[str, Sequence[_Reading]], _Seen], tell: Callable[[Figures], None]
) -> None:
    """Shuffled by less than the lateness, readings give the windows and alerts of the sorted ones."""
    readings = _readings()
    delay_ms = np.random.default_rng(5).uniform(0.0, _LATENESS_MS - _STEP_MS, len(readings))
    order = np.argsort([reading.time_ms for reading in readings] + delay_ms, kind="stable").tolist()
    assert sum(one > other for one, other in pairwise(order)) > len(order) // 4, "hardly any disorder"
    # Both end alike, so that the same windows are closed.
    order = [number for number in order if number < _NEAR_END] + list(range(_NEAR_END, len(readings)))
    plain, shuffled = run("sorted", readings), run("shuffled", [readings[number] for number in order])
    lost = len(set(plain.alerts) - set(shuffled.alerts))
    tell(Figures(15, "out of order within the lateness", len(readings), lost, 0, len(order)))
    assert len(plain.alerts) > 10
    assert shuffled.alerts == plain.alerts
    assert shuffled.late == shuffled.letters == []
    assert shuffled.outcomes == list(range(len(readings)))


def test_records_beyond_the_lateness(
    run: Callable[[str, Sequence[_Reading]], _Seen], tell: Callable[[Figures], None]
) -> None:
    """Each late record is in the late output, once, and nothing else is other than without them."""
    readings, late = list(_readings()), list[int]()
    clean = run("clean", readings)
    for place in range(_NEAR_END, 1_000, -500):
        readings.insert(place, readings[place]._replace(time_ms=readings[place].time_ms - 30_000, value=500.0))
        late.append(place)
    late = [place + shift for shift, place in enumerate(sorted(late))]
    seen = run("late", readings)
    lost = len(set(late) - set(seen.late))
    tell(Figures(16, "late beyond the lateness", len(readings), lost, len(seen.late) - len(set(seen.late)), len(late)))
    assert seen.late == late
    assert seen.alerts == clean.alerts
    assert seen.letters == []
    assert seen.outcomes == list(range(len(readings)))


def test_times_in_the_far_future(
    run: Callable[[str, Sequence[_Reading]], _Seen], tell: Callable[[Figures], None]
) -> None:
    """A record four days ahead is a dead letter; the next one is not late, and alerts are those of a clean stream."""
    readings = list(_readings())
    clean = run("clean", readings)
    places = list(range(1_500, _NEAR_END, 2_500))
    for place in reversed(places):
        readings.insert(place, readings[place]._replace(time_ms=readings[place].time_ms + _FOUR_DAYS_MS, value=500.0))
    far = [place + shift for shift, place in enumerate(places)]
    seen = run("future", readings)
    lost = len(set(far) - {offset for offset, _ in seen.letters})
    tell(Figures(17, "times four days ahead", len(readings), lost, 0, len(far)))
    assert seen.letters == [(place, "time_jump") for place in far]
    assert seen.late == []
    assert seen.alerts == clean.alerts
    assert seen.outcomes == list(range(len(readings)))
