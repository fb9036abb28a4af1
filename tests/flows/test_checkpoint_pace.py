"""Checkpoints become rarer as the state grows, and a flow that starts anew for it loses and repeats nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import services_of
from pynomaly.domain.record import Stream
from pynomaly_connectors.memory import Broker
from pynomaly_flows import live
from pynomaly_flows.checkpoint_pace import CheckpointPace
from pynomaly_flows.drain import Drain
from pynomaly_flows.live import LiveOptions, run_live

_ONE, _TWO = Stream("readings", 1), Stream("readings", 2)


def test_the_interval_follows_the_cost_of_all_streams() -> None:
    """0.3 s + 0.5 s at a share of 0.1 asks for 8 s, and gets half as much again."""
    pace = CheckpointPace(shortest_s=5, share=0.1)
    for _ in range(2):
        pace.checkpoint_written(_ONE, 0.3)
        assert not pace.is_unfit
        pace.checkpoint_written(_TWO, 0.5)
    assert pace.is_unfit
    pace.adjust()
    assert pace.interval_s == pytest.approx(12.0)
    assert not pace.is_unfit


def test_the_interval_has_a_ceiling() -> None:
    """A disk that is slow for an hour does not make a crash repeat hours; at the ceiling nothing starts anew."""
    pace = CheckpointPace(shortest_s=5, share=0.1, longest_s=60)
    for _ in range(2):
        pace.checkpoint_written(_ONE, 100.0)
    pace.adjust()
    for _ in range(10):
        assert pace.interval_s == 60
        assert not pace.is_unfit
        pace.checkpoint_written(_ONE, 100.0)
    assert CheckpointPace(shortest_s=90, share=0.1, longest_s=60).interval_s == 90


def test_the_interval_shrinks_after_several_cheap_checkpoints() -> None:
    """0.2 s at a share of 0.1 asks for 2 s, and half as much again; before five in a row it may be chance."""
    pace = CheckpointPace(shortest_s=1, share=0.1, state_bytes=10**9)
    assert pace.interval_s == pytest.approx(40.0)
    for seconds in (0.2, 0.2, 3.0, 0.2, 0.2, 0.2, 0.2):
        pace.checkpoint_written(_ONE, seconds)
        assert not pace.is_unfit
    pace.checkpoint_written(_ONE, 0.2)
    assert pace.is_unfit
    pace.adjust()
    assert pace.interval_s == pytest.approx(3.0)
    for _ in range(6):
        pace.checkpoint_written(_ONE, 0.12)
    assert not pace.is_unfit, "less than half of it must do"


def test_one_slow_write_changes_nothing() -> None:
    """A disk that hiccups once is not a large state."""
    pace = CheckpointPace(shortest_s=5, share=0.1)
    for seconds in (0.1, 3.0, 0.1, 3.0, 0.1):
        pace.checkpoint_written(_ONE, seconds)
    assert not pace.is_unfit
    assert pace.interval_s == 5


def test_a_pause_lasts_until_it_is_resumed() -> None:
    """Every partition stops for it, whatever the next checkpoint costs; who asked to stop is not overruled."""
    drain = Drain()
    drain.pause()
    assert drain.requested
    assert drain.resumes()
    assert not drain.requested
    drain.pause()
    drain.request()
    assert not drain.resumes()
    assert drain.requested


def test_a_share_of_one_keeps_the_interval() -> None:
    """An operator who wants every checkpoint gets it."""
    pace = CheckpointPace(shortest_s=1, share=1, state_bytes=10**12)
    for _ in range(2):
        pace.checkpoint_written(_ONE, 100.0)
    assert not pace.is_unfit
    assert pace.interval_s == 1


def test_a_large_state_begins_slowly() -> None:
    """After a restart the interval fits the state that is there, before anything is measured."""
    assert CheckpointPace(shortest_s=10, share=0.05, state_bytes=1_200_000_000).interval_s > 60


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Count how often Bytewax is started, and with which interval."""
    seen: list[float] = []
    run_main = live.run_main

    def counted(flow: object, **options: object) -> None:
        seen.append(options["epoch_interval"].total_seconds())  # type: ignore[attr-defined]
        run_main(flow, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(live, "run_main", counted)
    return iter([seen])


def test_starting_anew_loses_and_repeats_nothing(
    memory_broker: Broker, starts: Iterator[list[float]], tmp_path: Path
) -> None:
    """With an interval of 1 ms every state is too large; each record still has one outcome, in its order."""
    (intervals,) = starts
    memory_broker.create_topic("readings", partitions=2)
    for number in range(4_000):
        record = {"ts": 1_700_000_000 + number, "series": f"pump-{number % 7}", "value": number % 11}
        memory_broker.append("readings", orjson.dumps(record), partition=number % 7 % 2)
    run_live(services_of(_flow()), NoTelemetry(), LiveOptions(tmp_path, until_end=True))
    assert len(intervals) >= 2
    assert intervals[1] > intervals[0]
    told = [orjson.loads(record.value or b"") for record in memory_broker.records("outcomes")]
    for partition in (0, 1):
        offsets = [outcome["offset"] for outcome in told if outcome["partition"] == partition]
        assert offsets == list(range(memory_broker.log(memory_broker.streams("readings")[partition]).high))


def _flow() -> FlowSpec:
    return FlowSpec.model_validate(
        {
            "flow": "pumps",
            "source": {"kind": "memory", "topic": "readings", "batch_records": 20},
            "record": {"time": {"field": "ts", "format": "s"}, "series": ["series"], "values": ["value"]},
            "detectors": ["ew_zscore"],
            "output": {
                "alerts": {"kind": "memory", "topic": "alerts"},
                "outcomes": {"kind": "memory", "topic": "outcomes"},
                "outcomes_of": "all",
            },
            "checkpoint": {"every": "1ms", "share": 0.01},
        }
    )
