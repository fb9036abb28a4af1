"""A stream of the wrong shape stops the flow at one record, whichever way the records come in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import orjson
import pytest

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.replay import replay
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.tally import Tally
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.error import RejectionError
from pynomaly_connectors.memory import Broker
from pynomaly_flows.live import LiveOptions, run_live

_LIMITS = {"most": 30, "of": 60, "run": 20, "run_at_start": 10}
_BAD = b"{not a reading"

#: Good (1) and bad (0) records, and the offset of the first bad one beyond a limit of `_LIMITS`.
_STREAMS: dict[str, tuple[Sequence[int], int]] = {
    "never good": ([0] * 50, 10),
    "good once": ([1] + [0] * 50, 21),
    "half and more": ([1] * 5 + [1, 0, 0] * 60, 51),
}


def _services(*, window: bool = False, **limits: object) -> Services:
    tree: dict[str, object] = {
        "flow": "pumps",
        "source": {"kind": "memory", "topic": "readings", "batch_records": 7},
        "record": {"time": {"field": "ts", "format": "ms"}, "values": ["value"]},
        "detectors": ["ew_zscore"],
        "output": {
            "alerts": {"kind": "memory", "topic": "alerts"},
            "dead_letters": {"kind": "memory", "topic": "dead"},
        },
        "limits": limits,
        "checkpoint": {"every": "10ms"},
    }
    if window:
        tree["window"] = {"kind": "tumbling", "size": "3s", "aggregates": ["mean"]}
    return services_of(FlowSpec.model_validate(tree))


def _fill(broker: Broker, stream: Sequence[int], bad: Callable[[int], bytes | None] = lambda _number: _BAD) -> None:
    for topic in ("readings", "alerts", "dead"):
        broker.create_topic(topic)
    for number, good in enumerate(stream):
        reading = orjson.dumps({"ts": 1_700_000_000_000 + 1_000 * number, "value": 20.0 + number % 3})
        broker.append("readings", reading if good else bad(number), partition=0)


def _letters(broker: Broker) -> list[int]:
    """Return the offsets of the records that the dead letters are about, repeats left out."""
    headers = [dict(record.headers) for record in broker.records("dead")]
    return list(dict.fromkeys(int(one["__connect.errors.offset"] or b"") for one in headers))


def _results(services: Services, most_records: int) -> list[DetectionResult]:
    results: list[DetectionResult] = []
    with pytest.raises(RejectionError):
        replay(services.source, services.engine_for, results.append, most_records=most_records)
    return results


@pytest.mark.parametrize("most_records", [1, 3, 7])
@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("name", _STREAMS)
def test_replay_stops_at_one_record(memory_broker: Broker, name: str, *, window: bool, most_records: int) -> None:
    """All records before it have their outcomes and events, none behind it."""
    stream, stop = _STREAMS[name]
    _fill(memory_broker, stream)
    results = _results(_services(window=window, rejected=_LIMITS), most_records)
    assert np.concatenate([result.batch.offset for result in results]).tolist() == list(range(stop))
    assert [event.offset for result in results for event in result.events] == [
        offset for offset in range(stop) if not stream[offset]
    ]
    assert [result.stopped is not None for result in results] == [False] * (len(results) - 1) + [True]


def test_windows_behind_the_stop_are_not_told(memory_broker: Broker) -> None:
    """A good record behind the stop, in the same batch, closes windows that a live flow would not have closed."""
    _fill(memory_broker, [1] * 9 + [0] * 3 + [1] * 20)
    services = _services(window=True, rejected={"run": 2})
    closed = [result.windows for result in _results(services, 100) if result.windows is not None]
    offsets = np.concatenate([windows.closed.closed_by_offset for windows in closed])
    assert 0 < len(offsets) == sum(len(windows.outcomes) for windows in closed)
    assert offsets.max() < 11


@pytest.mark.parametrize("name", _STREAMS)
def test_a_live_flow_delivers_and_stops_and_goes_on(memory_broker: Broker, tmp_path: Path, name: str) -> None:
    """Each start stops at the same record, with the letters before it delivered; a higher limit goes on exactly."""
    stream, stop = _STREAMS[name]
    _fill(memory_broker, stream)
    expected = [offset for offset in range(stop) if not stream[offset]]
    for _ in range(2):
        with pytest.raises(RejectionError, match=rf"readings\[0\] at offset {stop}: .*limits.rejected\."):
            run_live(_services(rejected=_LIMITS), Tally(), LiveOptions(tmp_path, until_end=True))
        assert _letters(memory_broker) == expected
    tally = Tally()
    run_live(_services(rejected="off"), tally, LiveOptions(tmp_path, until_end=True))
    assert _letters(memory_broker) == [offset for offset, good in enumerate(stream) if not good]
    assert tally.totals().records >= len(stream) - stop


def test_limits_do_not_change_the_fingerprint() -> None:
    """Or whoever raises them would lose the state."""
    fingerprints = {_services(rejected=limits).plan.fingerprint for limits in ("off", False, _LIMITS, {"run": 3})}
    assert fingerprints == {_services().plan.fingerprint}


def test_ordinary_damage_passes_the_default_limits(memory_broker: Broker) -> None:
    """One bad record in five, and 400 in a row, are for the dead letters."""
    random = np.random.default_rng(3)
    stream = (random.random(20_000) > 0.2).astype(int).tolist()
    stream[5_000:5_400] = [0] * 400
    _fill(memory_broker, stream)
    rejected = 0

    def take(result: DetectionResult) -> None:
        nonlocal rejected
        rejected += len(result.outcomes.rejected)

    services = _services()
    replay(services.source, services.engine_for, take)
    assert rejected == stream.count(0)
