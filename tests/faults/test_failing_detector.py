"""Detectors of other libraries that raise, answer NaN or hang: the flow goes on without them, or stops and says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from river import anomaly

from e2e.flow_file import Tree, write_flow
from e2e.job import Program
from e2e.traffic import Traffic
from e2e.verifier import assert_one_outcome_each, lines, places, toll
from fault_table import Figures
from pynomaly.application.ports import Message
from pynomaly.application.replay import replay
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.tally import Tally
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.adapted import AcceptedRows, PartContext
from pynomaly.domain.error import TransientError
from pynomaly.domain.event import DetectorStatusChanged, Event
from pynomaly.domain.record import Stream
from pynomaly.domain.state import pack, unpack
from pynomaly.infrastructure.adapted import RiverPart
from pynomaly.infrastructure.adapted.calls import CallLedger
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly_connectors.memory import Broker
from pynomaly_flows.live import LiveOptions, run_live

_CONTEXT: Final = PartContext("flow", Stream("topic"), "part")
_BAD: Final = 999.0  # the value on which a broken detector fails
_FAILURES, _PAUSE = 10, 1_000  # as docs/detectors-river.md says
_Answer = Callable[[Any, None, float], float]


def _raising(answer: _Answer) -> _Answer:
    def broken(model: Any, x: None, y: float) -> float:
        if y == _BAD:
            raise RuntimeError("broken")
        return answer(model, x, y)

    return broken


def _without_number(answer: _Answer) -> _Answer:
    return lambda model, x, y: float("nan") if y == _BAD else answer(model, x, y)


@pytest.fixture(params=[_raising, _without_number], ids=["raises", "answers nan"])
def broken_detector(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give River a detector that fails on some records."""
    working = anomaly.StandardAbsoluteDeviation.score_one
    monkeypatch.setattr(anomaly.StandardAbsoluteDeviation, "score_one", request.param(working))


def _rows(bad: range, count: int) -> AcceptedRows:
    number = np.arange(count)
    values = np.random.default_rng(1).normal(5.0, 1.0, (count, 1))
    values[bad.start : bad.stop] = _BAD
    return AcceptedRows(number, number, np.zeros(count, np.int64), values, ["0"] * count)


def _run(rows: AcceptedRows, cuts: list[int]) -> tuple[NDArray[np.float64], list[Event]]:
    """Run rows through a part that is restored from bytes at each cut."""
    part, scores, events = RiverPart(_CONTEXT, "StandardAbsoluteDeviation", {}, ("a",)), [np.empty(0)], list[Event]()
    for start, stop in pairwise([0, *cuts, len(rows)]):
        at = slice(start, stop)
        one = (column[at] for column in (rows.offset, rows.time_ns, rows.series, rows.values))
        some, happened = part.process(AcceptedRows(*one, rows.key[at]))
        scores.append(some)
        events += happened
        state = pack(part.snapshot())
        part = RiverPart(_CONTEXT, "StandardAbsoluteDeviation", {}, ("a",))
        part.restore(unpack(state))
    return np.concatenate(scores), events


def _changes(events: list[Event]) -> list[tuple[int, str]]:
    return [(event.offset, event.status) for event in events if isinstance(event, DetectorStatusChanged)]


@pytest.mark.usefixtures("broken_detector")
def test_a_failing_detector_is_left_out_and_tried_again() -> None:
    """Ten failures in a row open the breaker for a thousand records; wherever batches and restarts cut, as said."""
    rows = _rows(range(100, 1_500), 3_000)
    scores, events = _run(rows, [])
    # 100..109 fail, 110..1109 are left out, the trial of 1110 fails, 1111..2110 are left out, 2111 is answered.
    assert _changes(events) == [(109, "degraded"), (2_111, "working")]
    known = np.flatnonzero(~np.isnan(scores))
    np.testing.assert_array_equal(known, [*range(2, 100), *range(2_111, 3_000)])
    for cuts in ([105, 109, 110, 111, 700], [1_109, 1_110, 1_111], list(range(37, 3_000, 37))):
        again, same = _run(rows, cuts)
        np.testing.assert_array_equal(again, scores)
        assert same == events
    assert len({event.id for event in events}) == 2


@pytest.mark.usefixtures("broken_detector")
def test_single_failures_are_only_unknown() -> None:
    """Nine failures in a row, however often, leave those records without a score and nothing else."""
    rows = _rows(range(50, 59), 500)
    rows.values[60:69] = _BAD
    scores, events = _run(rows, [55])
    assert events == []
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores)), [0, 1, *range(50, 59), *range(60, 69)])


def _flow(detectors: list[object], topic: str = "readings") -> Services:
    tree: Tree = {
        "flow": "failing",
        "source": {"kind": "memory", "topic": topic, "batch_records": 173},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": detectors,
        "alert": {"levels": {"watch": 1.2, "warning": 3}, "bump": 1},
        "output": {"alerts": {"kind": "memory", "topic": "alerts"}},
        "checkpoint": {"every": "50ms"},
    }
    return services_of(FlowSpec.model_validate(tree))


_NATIVE: Final[dict[str, object]] = {"detector": "ew_zscore", "calibration": {"warm_up": 50}}
_RIVER: Final[dict[str, object]] = {"river": "StandardAbsoluteDeviation", "calibration": {"warm_up": 50}}


def test_the_other_detectors_go_on(
    memory_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[Figures], None]
) -> None:
    """A detector that always raises changes no verdict of the others and costs next to nothing; replay equals live."""
    working = anomaly.StandardAbsoluteDeviation.score_one

    def broken(model: Any, x: None, y: float) -> float:
        if y > 5.0:  # all that is in the topic; not what a start tries out
            raise RuntimeError("broken")
        return float(working(model, x, y))

    monkeypatch.setattr(anomaly.StandardAbsoluteDeviation, "score_one", broken)
    traffic = Traffic(10, 4_000, 1)
    for record in traffic.records():
        memory_broker.append("readings", record.value, record.key)
    found: dict[str, list[dict[str, Any]]] = {}
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(3):
        for name, detectors in (("without", [_NATIVE]), ("with", [_NATIVE, _RIVER])):
            memory_broker.delete_topic("alerts")
            services = _flow(list[object](detectors))
            since = time.process_time()
            run_live(services, Tally(), LiveOptions(tmp_path / f"{name}-{turn}", until_end=True))
            seconds[name].append(time.process_time() - since)
            messages = memory_broker.records("alerts")
            found[name] = [orjson.loads(message.value or b"") for message in messages]
    told = [data for data in found["with"] if "status" in data]
    assert [(data["stream"]["offset"], data["status"], data["error"]) for data in told] == [
        (29, "degraded", "RuntimeError: broken")  # the third record of each series is the first that it is asked about
    ]
    verdicts = {
        name: [
            (data["series"], data["time"], data["level"], data["evidence"]) for data in alerts if "status" not in data
        ]
        for name, alerts in found.items()
    }
    assert len(verdicts["without"]) > 50
    assert verdicts["with"] == verdicts["without"]
    replayed = list[Message]()
    encode = services.outputs(None)[0].encode
    replay(services.source, services.engine_for, lambda result: replayed.extend(encode(result)), most_records=41)
    live = {dict(message.headers)["ce_id"]: message.value for message in messages}
    assert {dict(message.headers)["ce_id"]: message.value for message in replayed} == live
    ratio = min(seconds["without"]) / min(seconds["with"])
    ids = [dict(message.headers)["ce_id"] for message in messages]
    cost = toll((), (), ids, (dict(message.headers)["ce_id"] for message in replayed))
    note = f"others at {ratio:.0%} of their rate"
    tell(Figures(26, "detector raises", len(traffic), cost.lost, cost.repeated, len(traffic), note=note))
    assert ratio > 0.5  # 95 % and more on a machine of one's own


@pytest.fixture
def out() -> Iterator[tuple[CallLedger, list[TransientError]]]:
    """A ledger under watch, and what the watch has said."""
    ledger, said = CallLedger(), list[TransientError]()
    with ledger.watched(said.append, timeout_s=0.2):
        yield ledger, said


def test_a_call_that_does_not_return_is_told(out: tuple[CallLedger, list[TransientError]]) -> None:
    """Calls that return are none of the watch's business, however many they are; one that is out is named."""
    ledger, said = out
    quick, hung = ledger.open(_CONTEXT), ledger.open(PartContext("flow", Stream("topic", 3), "forest"))
    deadline = time.monotonic() + 10.0
    hung.begun += 1
    while not said and time.monotonic() < deadline:
        quick.begun += 1
        time.sleep(0.01)
        quick.ended += 1
    (error,) = said
    assert str(error).startswith("detector forest on topic[3] must answer within 0.2 s, was still at one record")


@pytest.mark.slow
def test_a_detector_that_hangs_ends_the_program(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[Figures], None]
) -> None:
    """One line and exit status 75 instead of silence; mended, the flow goes on exactly where it was."""
    traffic = Traffic(2, 1_000, 1)
    readings = tmp_path / "readings.jsonl"
    readings.write_bytes(b"".join((record.value or b"") + b"\n" for record in traffic.records()))
    tree: Tree = {
        "flow": "hanging",
        "source": {"kind": "files", "path": readings.name, "batch_records": 100},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": [_RIVER],
        "output": {
            "alerts": {"kind": "file", "path": "${RUN}-alerts.jsonl"},
            "outcomes": {"kind": "file", "path": "${RUN}.jsonl"},
            "outcomes_of": "all",
        },
        "checkpoint": {"every": "10ms"},
    }
    flow = write_flow(tmp_path / "flow.yaml", tree)
    script = Path(__file__).with_name("hanging_detector.py")
    job = program.start_python(script, flow, "state-broken", RUN="broken")
    ended = job.wait(60.0)
    assert ended.code == 75, ended.err
    assert "Traceback" not in ended.err
    (complaint,) = ended.complaints
    assert "on readings.jsonl[0] must answer within 1 s, was still at one record" in complaint
    since = time.monotonic()
    monkeypatch.chdir(tmp_path)
    for run in ("broken", "whole"):
        options = LiveOptions(tmp_path / f"state-{run}", until_end=True)
        run_live(services_of(load_flow(flow, {"RUN": run})), Tally(), options)
    seconds = time.monotonic() - since
    broken, whole = ((tmp_path / f"{run}.jsonl").read_bytes() for run in ("broken", "whole"))
    assert broken == whole
    assert_one_outcome_each(lines(tmp_path / "broken.jsonl"), {(0, line) for line in range(len(traffic))})
    cost = toll(places(lines(tmp_path / "broken.jsonl")), {(0, line) for line in range(len(traffic))})
    figures = Figures(26, "detector hangs", len(traffic), cost.lost, cost.repeated, note="exit 75")
    tell(replace(figures, recovery_s=seconds))


def _verdict(data: dict[str, Any]) -> tuple[object, ...]:
    return data["series"], data["time"], data["level"], data["evidence"]
