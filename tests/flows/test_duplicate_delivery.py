"""Producers that send everything twice: with `dedupe` a flow alerts as if they had sent it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from fault_table import Figures
from pynomaly.application.output import Output
from pynomaly.application.ports import Message
from pynomaly.application.replay import replay
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.error import PynomalyError
from pynomaly_connectors.memory import Broker, broker, reset_brokers
from pynomaly_flows.live import LiveOptions, run_live

_RECORDS = 4_000
_WINDOW = {"kind": "tumbling", "size": "10s", "aggregates": ["mean", "max"], "lateness": "2s"}
_windows = pytest.mark.parametrize("window", [None, _WINDOW], ids=["records", "windows"])


def _services(topic: str, window: dict[str, Any] | None, horizon: int | None = 5_000) -> Services:
    spec = {
        "flow": "pumps",
        "source": {"kind": "memory", "topic": topic, "batch_records": 173},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "dedupe": None if horizon is None else {"field": "id", "horizon": horizon},
        "window": window,
        "detectors": [{"detector": "ew_zscore", "half_life": 50, "calibration": {"warm_up": 40}}],
        "alert": {"levels": {"watch": 1.5, "warning": 3.0}},
        "output": {
            "alerts": {"kind": "memory", "topic": f"{topic}-alerts"},
            "dead_letters": {"kind": "memory", "topic": f"{topic}-dead"},
            "outcomes": {"kind": "memory", "topic": f"{topic}-outcomes"},
            "outcomes_of": "all",
        },
        "checkpoint": {"every": "20ms"},
    }
    return services_of(FlowSpec.model_validate(spec))


def _payloads() -> list[bytes]:
    random = np.random.default_rng(9)
    spikes = 30.0 * (random.random(_RECORDS) < 0.01)
    values = random.normal(20.0, 1.0, _RECORDS) + spikes
    return [
        orjson.dumps({"id": f"msg-{n}", "ts": 1_700_000_000_000 + 250 * n, "series": f"pump-{n % 6}", "value": value})
        for n, value in enumerate(values.tolist())
    ]


def _fill(broker: Broker, topic: str, payloads: Sequence[bytes]) -> None:
    for suffix in ("", "-alerts", "-dead", "-outcomes"):
        broker.create_topic(topic + suffix)
    for payload in payloads:
        broker.append(topic, payload)


def _alerts(broker: Broker, topic: str) -> dict[bytes, bytes]:
    """Return the alerts by id, repeats left out."""
    records = broker.records(f"{topic}-alerts")
    return {dict(record.headers)["ce_id"] or b"": record.value or b"" for record in records}


def _outcomes(broker: Broker, topic: str) -> Counter[str]:
    lines = {record.value or b"" for record in broker.records(f"{topic}-outcomes")}
    return Counter(told["outcome"] for told in map(orjson.loads, lines) if "offset" in told)


def _apart_from_place(alerts: dict[bytes, bytes]) -> list[dict[str, Any]]:
    """Leave out where a record stands: in a topic with repeats it is another place."""
    return [{**orjson.loads(value), "stream": None} for value in alerts.values()]


def _run(services: Services, state: Path) -> None:
    run_live(services, NoTelemetry(), LiveOptions(state, until_end=True))


@pytest.mark.usefixtures("memory_broker")
@_windows
def test_everything_sent_again_changes_no_byte(tmp_path: Path, window: dict[str, Any] | None) -> None:
    """A producer that begins anew repeats a whole history; ids and bytes of the alerts are those of the clean run."""
    payloads, found = _payloads(), list[dict[bytes, bytes]]()
    for times in (1, 2):
        reset_brokers()  # the topic is the same one, as far as a flow can tell
        _fill(broker(), "readings", payloads * times)
        _run(_services("readings", window), tmp_path / str(times))
        found.append(_alerts(broker(), "readings"))
        assert broker().records("readings-dead") == []
    assert _outcomes(broker(), "readings")["duplicate"] == _RECORDS
    assert len(found[0]) >= 3
    assert found[1] == found[0]


@pytest.mark.parametrize(("order", "window"), [("at once", None), ("a little later", _WINDOW)])
def test_every_message_sent_twice_changes_no_alert(
    memory_broker: Broker, tmp_path: Path, tell: Callable[[Figures], None], window: dict[str, Any] | None, order: str
) -> None:
    """Whether the repeats come at once or among later records, live or replayed, alerts are those of the clean run."""
    payloads = _payloads()
    _fill(memory_broker, "clean", payloads)
    _run(_services("clean", window), tmp_path / "clean")
    later = np.arange(_RECORDS) + (0.5 if order == "at once" else 300.5)
    sequence = np.argsort(np.concatenate([np.arange(_RECORDS), later]), kind="stable") % _RECORDS
    _fill(memory_broker, "twice", [payloads[number] for number in sequence.tolist()])
    services = _services("twice", window)
    _run_with_a_crash_in_every_few_calls(services, tmp_path / "twice")
    alerts = _alerts(memory_broker, "twice")
    assert _apart_from_place(alerts) == _apart_from_place(_alerts(memory_broker, "clean"))
    assert _outcomes(memory_broker, "twice")["duplicate"] == _RECORDS
    assert memory_broker.records("twice-dead") == []
    assert _replayed(services) == alerts
    tell(Figures(21, f"every message sent twice, {order}", 2 * _RECORDS, 0, 0, _RECORDS, note="through crashes"))


def test_beyond_the_horizon_a_repeat_is_a_record(memory_broker: Broker, tmp_path: Path) -> None:
    """The memory is bounded: what is sent again later than it reaches counts, and is scored."""
    payloads = _payloads()[:100]
    _fill(memory_broker, "far", [*payloads, *payloads])
    _run(_services("far", None, horizon=99), tmp_path)
    assert _outcomes(memory_broker, "far") == {"warming": 200}


def test_without_dedupe_every_record_counts(memory_broker: Broker, tmp_path: Path) -> None:
    """Leaving records out is asked for, never the default."""
    payloads = _payloads()[:100]
    _fill(memory_broker, "plain", [*payloads, *payloads])
    _run(_services("plain", None, horizon=None), tmp_path)
    assert _outcomes(memory_broker, "plain") == {"warming": 200}


class _CrashError(PynomalyError):
    """Stands for a process that dies."""


def _run_with_a_crash_in_every_few_calls(services: Services, state: Path) -> None:
    """Run until the end, with the encoding of alerts dying at random batches."""
    random = np.random.default_rng(3)
    crashes = 0
    while True:
        left = [int(random.integers(2, 30))]
        crashing = replace(services, outputs=lambda ledger, left=left: tuple(_dying(services.outputs(ledger), left)))
        try:
            _run(crashing, state)
        except _CrashError:
            crashes += 1
            assert crashes < 200
            continue
        assert crashes >= 3
        return


def _dying(outputs: Sequence[Output], left: list[int]) -> list[Output]:
    def mortal(encode: Callable[..., Sequence[Message]]) -> Callable[..., Sequence[Message]]:
        def call(result: object) -> Sequence[Message]:
            left[0] -= 1
            if left[0] == 0:
                raise _CrashError
            return encode(result)

        return call

    return [Output(output.name, output.sink, mortal(output.encode)) for output in outputs]


def _replayed(services: Services) -> dict[bytes, bytes]:
    encode = services.outputs(None)[0].encode
    messages: list[Message] = []
    replay(services.source, services.engine_for, lambda result: messages.extend(encode(result)), most_records=41)
    return {dict(message.headers)["ce_id"]: message.value for message in messages}
