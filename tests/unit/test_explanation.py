"""One record explained: against a replay of the same input, and against replays in which the record is another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cached_kernels import LIBRARY
from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.explanation import Explanation, Wanted, explain
from pynomaly.application.replay import replay
from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.bootstrap import services_of
from pynomaly.domain.error import ConfigError, MissingInputError, RejectionError
from pynomaly.domain.outcome import Level, Outcome, Reason
from pynomaly_connectors.memory import Broker

_ROWS = 900
_SPIKE = 700
_WORD = 650
_START_S = 1_700_000_000
_Z = "ew_zscore:calibration.warm_up=60"
_LODA = "loda:warm_up=60,calibration.warm_up=60"
_Lines = dict[int, tuple[object, object]]


def _file(path: Path, changed: _Lines | None = None, series: int = 2) -> Path:
    """Write noise of some series in turns, with a word for a number, a spike of `heat`, and what is changed."""
    random = np.random.default_rng(11)
    values: list[tuple[object, object]] = [
        (round(float(load), 3), round(float(heat), 3)) for load, heat in random.normal((50.0, 80.0), 1.0, (_ROWS, 2))
    ]
    planted: _Lines = {_WORD: (50.0, "hot"), _SPIKE: (50.2, 95.0)}
    for row, cells in (planted | (changed or {})).items():
        values[row] = cells
    lines = [f"{_START_S + row},host{row % series},{load},{heat}\n" for row, (load, heat) in enumerate(values)]
    path.write_text("t,host,load,heat\n" + "".join(lines))
    return path


def _spec(path: Path, detectors: Sequence[str] = (_Z,)) -> FlowSpec:
    columns = Columns(("load", "heat"), "t", "s", ("host",))
    return adhoc_flow({"kind": "files", "path": str(path), "format": "csv"}, columns, detectors)


def _explained(spec: FlowSpec, wanted: Wanted, after: int = 0) -> Explanation:
    services = services_of(spec)
    cached = cache(LIBRARY.entry)
    return explain(services.source, services.engine_for, services.plan, wanted, cached, after=after)


def _results(spec: FlowSpec) -> list[DetectionResult]:
    found: list[DetectionResult] = []
    services = services_of(spec)
    replay(services.source, services.engine_for, found.append)
    return found


def _level(path: Path, row: int) -> Level:
    (result,) = _results(_spec(path))
    return Level(int(result.outcomes.level[row]))


@pytest.fixture
def spec(tmp_path: Path) -> FlowSpec:
    """Return a flow over the file."""
    return _spec(_file(tmp_path / "data.csv"))


def test_the_verdict_is_that_of_a_replay(spec: FlowSpec) -> None:
    """Of every kind of record: warming, calibrating, rejected, alerting, normal, and the very last."""
    (result,) = _results(spec)
    kinds = set()
    for row in (0, 1, 30, 100, _WORD, _SPIKE, _SPIKE + 2, _ROWS - 1):
        explanation = _explained(spec, Wanted(offset=row))
        verdict, outcomes = explanation.verdict, result.outcomes
        assert (verdict.reason, verdict.level) == (outcomes.reason[row], outcomes.level[row])
        np.testing.assert_array_equal((verdict.evidence, verdict.bar), (outcomes.evidence[row], outcomes.bar[row]))
        if explanation.details is not None:
            trace = explanation.details.trace
            assert (trace.reason, trace.level) == (verdict.reason, verdict.level)
            assert trace.records == row // 2 + 1 - (row > _WORD and row % 2 == _WORD % 2)
        kinds.add(verdict.reason.outcome)
    assert kinds >= {Outcome.WARMING, Outcome.REJECTED, Outcome.ANOMALOUS, Outcome.NORMAL}


def test_a_rejected_record_is_shown(spec: FlowSpec) -> None:
    """It has its bytes and no decision."""
    explanation = _explained(spec, Wanted(offset=_WORD))
    assert explanation.verdict.reason is Reason.NOT_A_NUMBER
    assert explanation.details is None
    assert explanation.raw is not None
    assert explanation.raw.value is not None
    assert b"hot" in explanation.raw.value


def test_a_moment_and_a_key_tell_a_record(spec: FlowSpec) -> None:
    """It is the first record of the series at that time or later; without a key of any series."""
    at_ns = (_START_S + 301) * 1_000_000_000
    assert _explained(spec, Wanted(at_ns=at_ns, key="host0")).place.offset == 302
    assert _explained(spec, Wanted(at_ns=at_ns, key="host1")).place.offset == 301
    assert _explained(spec, Wanted(at_ns=at_ns - 1)).place.offset == 301


@pytest.mark.parametrize("row", [_SPIKE, 500, _ROWS - 1])
def test_a_value_beyond_the_told_end_changes_the_verdict(row: int, tmp_path: Path) -> None:
    """A file with the value just within keeps the verdict, one with the value just beyond has the other."""
    details = _explained(_spec(_file(tmp_path / "data.csv")), Wanted(offset=row)).details
    assert details is not None
    load, heat = (field.value for field in details.fields)
    unchanged = details.fields[1].unchanged
    assert unchanged is not None
    ends = [end for end in (unchanged.low, unchanged.high) if np.isfinite(end)]
    assert ends
    for end in ends:
        margin = 1e-5 * abs(end - heat)
        outward = margin if end > heat else -margin
        within = _level(_file(tmp_path / "within.csv", {row: (load, end - outward)}), row)
        beyond = _level(_file(tmp_path / "beyond.csv", {row: (load, end + outward)}), row)
        assert (within > 0, beyond > 0) == (details.trace.level > 0, details.trace.level == 0)


def test_ordinary_values_are_below_the_soft_threshold(tmp_path: Path) -> None:
    """A file with one of the ends has a severity below 1, and one with a value beyond has more."""
    details = _explained(_spec(_file(tmp_path / "data.csv")), Wanted(offset=_SPIKE)).details
    assert details is not None
    part = next(k for k, one in enumerate(details.trace.parts) if one.fields == (1,))
    interval = details.parts[part].ordinary
    assert interval is not None
    assert interval.low < details.trace.parts[part].expected < interval.high
    for end, outward in ((interval.low, -1e-4), (interval.high, 1e-4)):
        severities = []
        for heat in (end - outward, end + outward):
            (result,) = _results(_spec(_file(tmp_path / "end.csv", {_SPIKE: (50.2, heat)})))
            severities.append(result.outcomes.severity[_SPIKE, part])
        assert severities[0] < 1.0 <= severities[1]


def test_contributions_of_fields_sum_to_the_evidence(tmp_path: Path) -> None:
    """Those of parts on one field and of parts on several; the field with the spike has nearly all."""
    details = _explained(_spec(_file(tmp_path / "data.csv"), (_Z, _LODA)), Wanted(offset=_SPIKE)).details
    assert details is not None
    load, heat = (field.contribution for field in details.fields)
    assert load + heat + details.joint_contribution == pytest.approx(details.trace.evidence)
    assert heat > 0.8 * details.trace.evidence
    for part, more in zip(details.trace.parts, details.parts, strict=True):
        assert more.shares is None or sum(more.shares.values()) == pytest.approx(part.contribution)


def test_the_nearest_past_value(spec: FlowSpec) -> None:
    """It is the least distant of the series' earlier values, however far back."""
    row = _ROWS - 1
    details = _explained(spec, Wanted(offset=row)).details
    (result,) = _results(spec)
    earlier = [at for at in range(row) if at % 2 == row % 2 and result.batch.refusal[at] == 0]
    heat = result.batch.values[earlier, 1]
    nearest = int(np.argmin(np.abs(heat - result.batch.values[row, 1])))
    assert details is not None
    past = details.fields[1].past
    assert past is not None
    assert (past.nearest, past.records) == (heat[nearest], len(earlier))
    assert past.nearest_records_ago == len(earlier) - nearest
    assert past.nearest_time_ns == result.batch.time_ns[earlier[nearest]]
    assert (past.lowest, past.highest) == (heat.min(), heat.max())


def test_the_first_record_has_no_past(spec: FlowSpec) -> None:
    """What is not known is left out, not 0."""
    details = _explained(spec, Wanted(offset=0)).details
    assert details is not None
    assert [field.past for field in details.fields] == [None, None]
    assert [part.ordinary for part in details.parts] == [None, None]
    assert details.trace.nearest_level is None


def test_surroundings_are_those_of_the_series(spec: FlowSpec) -> None:
    """The record stands at its position, with as many behind it as were asked for."""
    explanation = _explained(spec, Wanted(offset=301), after=20)
    around = explanation.surroundings
    assert around is not None
    assert around.offset[explanation.position] == 301
    assert set(around.offset % 2) == {1}
    assert len(around) > explanation.position + 20


def test_a_series_that_was_evicted_begins_anew(tmp_path: Path) -> None:
    """The state before a record is that of its series, also where its number belonged to others."""
    path = _file(tmp_path / "data.csv", series=7)
    spec = _spec(path)
    limited = spec.model_copy(update={"limits": spec.limits.model_copy(update={"series": 3})})
    (result,) = _results(limited)
    for row in (20, 300, _SPIKE):
        explanation = _explained(limited, Wanted(offset=row))
        assert explanation.verdict.reason == result.outcomes.reason[row]
        assert explanation.details is not None
        assert explanation.details.trace.records == 1


def test_an_adapted_detector_is_taken_at_its_word(tmp_path: Path) -> None:
    """Its score counts as it was; what it would say of other values nobody claims to know."""
    spec = _spec(_file(tmp_path / "data.csv"), (_Z, "river/GaussianScorer:fields=heat,calibration.warm_up=60"))
    (result,) = _results(spec)
    details = _explained(spec, Wanted(offset=_SPIKE)).details
    assert details is not None
    assert details.trace.evidence == result.outcomes.evidence[_SPIKE]
    np.testing.assert_array_equal([part.severity for part in details.trace.parts], result.outcomes.severity[_SPIKE])
    load, heat = details.fields
    assert load.unchanged is not None
    assert heat.unchanged is None


_WINDOWED = """
flow: windowed
source: {kind: dataset, name: water_flow}
window: {kind: sliding, size: 6h, slide: 3h, aggregates: [min], max_jump: 30d}
detectors: [{detector: ew_zscore, half_life: 24, warm_up: 10, calibration: {warm_up: 10}}]
output: {alerts: {kind: memory, topic: alerts}}
"""


def test_a_window_is_found_by_a_moment(flow: Callable[[str], FlowSpec]) -> None:
    """It is the first that ends after it; its decision is the one that the replay took."""
    spec = flow(_WINDOWED)
    judged = [result.windows for result in _results(spec) if result.windows is not None]
    ends = np.concatenate([windows.closed.end_ns for windows in judged])
    evidence = np.concatenate([windows.outcomes.evidence for windows in judged])
    alert = int(np.argmax(np.nan_to_num(evidence)))
    explanation = _explained(spec, Wanted(at_ns=int(ends[alert]) - 1))
    assert explanation.place.window is not None
    assert explanation.place.window.end_ns == ends[alert]
    assert explanation.verdict.evidence == evidence[alert] > 0
    assert explanation.details is not None
    assert explanation.details.trace.evidence == evidence[alert]
    with pytest.raises(MissingInputError, match="must have a window that closed after that moment"):
        _explained(spec, Wanted(at_ns=int(ends.max())))


def test_a_record_of_a_window_says_so(flow: Callable[[str], FlowSpec]) -> None:
    """The record itself was not judged."""
    explanation = _explained(flow(_WINDOWED), Wanted(offset=40))
    assert explanation.verdict.reason is Reason.IN_WINDOW
    assert explanation.details is None


@pytest.fixture
def flow() -> Callable[[str], FlowSpec]:
    """Return what reads a flow."""
    import yaml

    return lambda text: parse_flow(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("wanted", "error", "text"),
    [
        (Wanted(offset=5), ConfigError, "must tell the partition too, as PARTITION:5"),
        (Wanted(offset=5, partition="c.csv"), ConfigError, "must begin with one partition of the input"),
        (Wanted(offset=_ROWS, partition="a.csv"), MissingInputError, f"must hold a record at {_ROWS}, held none"),
        (Wanted(at_ns=2 * 10**18, key="host0"), MissingInputError, "a record of series 'host0' at that time or later"),
    ],
)
def test_a_record_that_cannot_be_found(wanted: Wanted, error: type[Exception], text: str, tmp_path: Path) -> None:
    """The answer says what to give."""
    for name in ("a.csv", "b.csv"):
        _file(tmp_path / name)
    with pytest.raises(error, match=text):
        _explained(_spec(tmp_path / "*.csv"), wanted)


def test_a_file_is_told_by_the_end_of_its_path(tmp_path: Path) -> None:
    """Each file is a partition."""
    for name in ("a.csv", "b.csv"):
        _file(tmp_path / name)
    place = _explained(_spec(tmp_path / "*.csv"), Wanted(offset=_SPIKE, partition="b.csv")).place
    assert (place.stream.name, place.offset) == (str(tmp_path / "b.csv"), _SPIKE)


_TOPIC = """
flow: topic
source: {kind: memory, topic: readings}
record: {time: {field: t, format: s}, values: [v]}
dedupe: {field: id, horizon: 100}
detectors: [{detector: ew_zscore}]
limits: {rejected: {run_at_start: 3}}
output: {alerts: {kind: memory, topic: alerts}}
"""


def test_a_record_of_a_topic(flow: Callable[[str], FlowSpec], memory_broker: Broker) -> None:
    """The partition is told by its number; a record that came before is known as such, with its time."""
    memory_broker.create_topic("readings", 2)
    for row, number in enumerate((1, 2, 3, 2)):
        record = b'{"t": %d, "v": 1.5, "id": "%d"}' % (_START_S + row, number)
        memory_broker.append("readings", record, partition=1)
    place, verdict = (found := _explained(flow(_TOPIC), Wanted(offset=3, partition="1"))).place, found.verdict
    assert (place.stream.partition, place.time_ns) == (1, (_START_S + 3) * 1_000_000_000)
    assert (verdict.reason, found.details) == (Reason.REPEATED_ID, None)
    judged = _explained(flow(_TOPIC), Wanted(offset=2, partition="readings:1")).details
    assert judged is not None
    assert judged.trace.records == 3


def test_a_record_behind_the_stop_of_the_flow(flow: Callable[[str], FlowSpec], memory_broker: Broker) -> None:
    """The live flow would not come there, so there is nothing to explain; what comes before it is explained."""
    memory_broker.create_topic("readings")
    for row in range(10):
        memory_broker.append("readings", b"nothing" if row < 9 else b'{"t": 1700000000, "v": 1.5, "id": "1"}')
    assert _explained(flow(_TOPIC), Wanted(offset=2)).verdict.reason is Reason.MALFORMED
    with pytest.raises(RejectionError, match="rejected records must be at most 3"):
        _explained(flow(_TOPIC), Wanted(offset=9))
