"""One engine under two runners: replay equals live, at any batch size, through any crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pytest

from pynomaly.application.output import Output
from pynomaly.application.ports import Message, MessageSink, MessageWriter
from pynomaly.application.replay import replay
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.error import PynomalyError
from pynomaly.domain.record import Stream
from pynomaly_connectors.memory import Broker
from pynomaly_flows.live import LiveOptions, run_live

_RECORDS = 6_000
_BATCH = 257
_BAD = b'{"ts": 1, "series": "pump-1"'

_TOPICS = {"alerts": "alerts", "dead-letters": "dead", "outcomes": "outcomes"}
_PARTS: dict[str, list[object]] = {
    "two-detectors": [
        {"detector": "ew_zscore", "half_life": 50, "calibration": {"warm_up": 40}, "guard": {"patience": 5}},
        {"detector": "running_range", "warm_up": 40},
    ],
    "river": [{"river": "GaussianScorer", "params": {"window_size": 60, "grace_period": 40}}],
    "pyod": [
        {
            "pyod": "HBOS",
            "window": 60,
            "refit_every": 120,
            "adopt_after": 45,
            "group_by": "stream",
            "calibration": {"warm_up": 50},
        }
    ],
}
_WINDOW = {
    "kind": "sliding",
    "size": "50s",
    "slide": "10s",
    "aggregates": ["mean", "max"],
    "lateness": "5s",
    "max_jump": "1h",
}


def _flow(parts: str, *, windowed: bool) -> FlowSpec:
    spec: dict[str, object] = {
        "flow": "pumps",
        "source": {"kind": "memory", "topic": "readings", "batch_records": _BATCH},
        "record": {
            "time": {"field": "ts", "format": "ms"},
            "series": ["series"],
            "values": ["value"],
        },
        "detectors": _PARTS[parts],
        "alert": {"levels": {"watch": 1.5, "warning": 3.0}},
        "output": {
            "alerts": {"kind": "memory", "topic": "alerts"},
            "dead_letters": {"kind": "memory", "topic": "dead"},
            "outcomes": {"kind": "memory", "topic": "outcomes"},
            "outcomes_of": "all",
        },
        # One of the flows starts anew to checkpoint less often; the others keep their many checkpoints.
        "checkpoint": {"every": "20ms", "share": 0.05 if parts == "two-detectors" and not windowed else 1},
    }
    return FlowSpec.model_validate({**spec, "window": _WINDOW} if windowed else spec)


def _fill(broker: Broker) -> None:
    """Three partitions, nine series that stay in theirs, spikes, and some damaged records."""
    random = np.random.default_rng(11)
    for output in _TOPICS.values():
        broker.create_topic(output)
    broker.create_topic("readings", partitions=3)
    for number in range(_RECORDS):
        series = int(random.integers(9))
        spike = 30.0 if random.random() < 0.01 else 0.0
        value = float(random.normal(20.0 + series, 1.0)) + spike
        record = {"ts": 1_700_000_000_000 + 250 * number, "series": f"pump-{series}", "value": value}
        payload = _BAD if random.random() < 0.01 else orjson.dumps(record)
        broker.append("readings", payload, partition=series % 3)


def _written(broker: Broker, topic: str) -> list[Message]:
    return [
        Message(record.value or b"", record.key, tuple((name, value or b"") for name, value in record.headers))
        for record in broker.records(topic)
    ]


def _by_partition(messages: Sequence[Message]) -> dict[int, list[Message]]:
    """Tell messages by the partition of the record that they speak of, in their order."""
    partitions: dict[int, list[Message]] = {}
    for message in messages:
        partitions.setdefault(_partition(message), []).append(message)
    return partitions


def _partition(message: Message) -> int:
    for name, value in message.headers:
        if name == "__connect.errors.partition":
            return int(value)
    told = orjson.loads(message.value)
    return int(told["partition"] if "partition" in told else told["stream"]["partition"])


def _replayed(services: Services, most_records: int | None = None) -> dict[str, list[Message]]:
    messages: dict[str, list[Message]] = {output.name: [] for output in services.outputs(None)}

    def take(result: object) -> None:
        for output in services.outputs(None):
            messages[output.name].extend(output.encode(result))  # type: ignore[arg-type]

    replay(services.source, services.engine_for, take, most_records=most_records)
    return messages


@pytest.fixture
def broker(memory_broker: Broker) -> Broker:
    """A broker with the readings of three partitions."""
    _fill(memory_broker)
    return memory_broker


@pytest.fixture(scope="module")
def services_of_flow() -> Iterator[Callable[[str, bool], Services]]:
    """Build each flow once: an engine that is open holds the process that fits its models, slow to start."""
    with ExitStack() as keepers:

        @cache
        def services(parts: str, windowed: bool) -> Services:  # noqa: FBT001 - as the tests are parametrised
            made = services_of(_flow(parts, windowed=windowed))
            keepers.enter_context(closing(made.engine_for(Stream("keeper"))))
            return made

        yield services


_FLOWS = pytest.mark.parametrize(
    ("parts", "windowed"),
    [("two-detectors", False), ("two-detectors", True), ("river", False), ("pyod", False), ("pyod", True)],
    ids=["records", "windows", "river", "pyod", "pyod-on-windows"],
)


@_FLOWS
def test_replay_equals_live(
    broker: Broker,
    tmp_path: Path,
    services_of_flow: Callable[[str, bool], Services],
    parts: str,
    windowed: bool,  # noqa: FBT001
) -> None:
    """The inline runner gives what the Bytewax runner gives, in the same order by partition, at any batch size."""
    services = services_of_flow(parts, windowed)
    run_live(services, NoTelemetry(), LiveOptions(tmp_path, until_end=True))
    live = {name: _by_partition(_written(broker, topic)) for name, topic in _TOPICS.items()}
    assert sum(map(len, live["alerts"].values())) >= 3
    if not windowed:
        assert sum(map(len, live["outcomes"].values())) == _RECORDS
    for most_records in (1, 7, 10_000):
        again = _replayed(services, most_records)
        assert {name: _by_partition(messages) for name, messages in again.items()} == live, most_records


class _CrashError(PynomalyError):
    """Stands for a process that dies."""


@dataclass
class _CrashingWriter:
    """Passes on a number of calls, then dies in the middle of one."""

    inner: MessageWriter
    calls: list[int]

    def write(self, messages: Sequence[Message]) -> None:
        self.calls[0] -= 1
        if self.calls[0] == 0:
            self.inner.write(messages[: len(messages) // 2])
            raise _CrashError
        self.inner.write(messages)

    def flush(self) -> None:
        self.calls[0] -= 1
        if self.calls[0] == 0:
            raise _CrashError
        self.inner.flush()

    def position(self) -> bytes:
        return self.inner.position()

    def close(self) -> None:
        self.inner.close()


@dataclass
class _CrashingSink:
    inner: MessageSink
    calls: list[int]

    @property
    def where(self) -> str:
        return self.inner.where

    def check(self) -> None:
        self.inner.check()

    def open(self, position: bytes | None) -> MessageWriter:
        return _CrashingWriter(self.inner.open(position), self.calls)


def _run_with_crashes(services: Services, state: Path, seed: int) -> int:
    """Run until the end, crashing at random calls of random outputs; return the number of crashes."""
    random = np.random.default_rng(seed)
    for crashes in range(200):
        calls = [int(random.integers(1, 40))]
        crashing = replace(
            services,
            outputs=lambda ledger, calls=calls: tuple(
                Output(output.name, _CrashingSink(output.sink, calls), output.encode)
                for output in services.outputs(ledger)
            ),
        )
        try:
            run_live(crashing, NoTelemetry(), LiveOptions(state, until_end=True))
        except _CrashError:
            continue
        return crashes
    pytest.fail("the flow never reached its end")


@_FLOWS
@pytest.mark.parametrize("seed", [1, 2])
def test_crashes_change_nothing(
    broker: Broker,
    tmp_path: Path,
    services_of_flow: Callable[[str, bool], Services],
    parts: str,
    windowed: bool,  # noqa: FBT001
    seed: int,
) -> None:
    """After crashes at arbitrary calls, dropping repeats leaves exactly the uninterrupted output, byte for byte."""
    services = services_of_flow(parts, windowed)
    whole = _replayed(services)
    crashes = _run_with_crashes(services, tmp_path, seed)
    assert crashes >= 3
    for name, topic in _TOPICS.items():
        assert set(_written(broker, topic)) == set(whole[name]), name
