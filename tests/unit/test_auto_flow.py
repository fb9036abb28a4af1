"""The default detector in a flow: what it stands for, and what its alerts take."""

from __future__ import annotations

from typing import Any

import pytest

from pynomaly.application.spec.detect import NativePart
from pynomaly.application.spec.explain import bytes_per_series, explain
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.record import NoTime
from pynomaly.bootstrap import plan_of
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors.joint_profile import JOINT_PROFILE, JointProfileOptions
from pynomaly.domain.detectors.shape_profile import SHAPE_PROFILE
from pynomaly.domain.outcome import Level
from pynomaly.domain.scoring import Scoring
from unit.smallest_flow import lines, with_

_NO_TIME = {"time": NoTime(field="none"), "values": ["a"]}
_ONE_BY_ONE = "name its parts as entries of their own, to set it for one of them"
_ONE_FIELD = {"time": {"field": "ts"}, "values": ["a"]}
_FOUR_FIELDS = {"time": {"field": "ts"}, "values": ["a", "b", "c", "d"]}
_TOGETHER = [f"joint.{facet}" for facet in JOINT_PROFILE.facets]
_APART = [f"{name}:{field}" for name in ("slot", "range", "entropy", "rate", "profile", "jump") for field in "abc"]


def _names(flow: FlowSpec) -> list[str]:
    return [part.name for part in flow.parts]


@pytest.mark.parametrize(
    ("entry", "record", "expected"),
    [
        ("auto", _ONE_FIELD, ["slot", "range", "entropy", "rate", "profile", "jump"]),
        ("auto", _NO_TIME, ["range", "entropy", "rate", "profile", "jump"]),
        ({"detector": "auto", "tier": "light"}, _ONE_FIELD, ["slot", "range", "entropy", "rate", "jump"]),
        ({"detector": "auto", "preset": "kpi"}, _ONE_FIELD, ["jump"]),
        (
            {"detector": "auto", "tier": "deep"},
            _NO_TIME,
            ["range", "entropy", "rate", "profile", "jump", *(f"shape.{facet}" for facet in SHAPE_PROFILE.facets)],
        ),
        ("auto", _FOUR_FIELDS, _TOGETHER),
        ({"detector": "auto", "fields": ["a", "b", "c"]}, _FOUR_FIELDS, _APART),
        ({"detector": "auto", "fields": ["a", "b"], "together": True}, _FOUR_FIELDS, _TOGETHER),
        ({"detector": "auto", "preset": "kpi"}, _FOUR_FIELDS, [f"jump:{field}" for field in "abcd"]),
    ],
)
def test_what_it_stands_for(entry: object, record: dict[str, Any], expected: list[str]) -> None:
    """Tier, preset and clock decide which parts there are."""
    assert _names(parse_flow(with_(detectors=[entry], record=record))) == [f"auto.{name}" for name in expected]


def test_each_field_has_parts_of_its_own() -> None:
    """Parts are named after the entry, the member and the field; `fields` and `calibration` are for all of them."""
    entry = {"detector": "auto", "as": "load", "tier": "light", "fields": ["a", "b"], "calibration": {"warm_up": 40}}
    flow = parse_flow(with_(detectors=[entry, {"detector": "ew_zscore", "fields": ["b"]}]))
    assert _names(flow)[:4] == ["load.slot:a", "load.slot:b", "load.range:a", "load.range:b"]
    assert _names(flow)[-1] == "ew_zscore"
    calibrations = {part.name: part.spec.calibration for part in flow.parts}
    assert calibrations["load.slot:a"] == CalibrationOptions(warm_up=40)
    assert calibrations["ew_zscore"] == CalibrationOptions()


@pytest.mark.parametrize(
    ("record", "entry", "expected", "slope"),
    [
        (_ONE_FIELD, "auto", 2.3, 5.0),
        (_NO_TIME, "auto", 1.7, 5.0),
        (_NO_TIME, {"detector": "auto", "preset": "kpi"}, 2.3, 0.0),
        (_NO_TIME, "running_range", 2.3, 0.0),
    ],
)
def test_default_levels(record: dict[str, Any], entry: object, expected: float, slope: float) -> None:
    """Without a clock less evidence is enough; bars follow the sampling only with the general preset."""
    flow = parse_flow(with_(detectors=[entry], record=record))
    assert flow.levels[Level.WATCH] == expected
    assert flow.policy.sampling_slope == slope


def test_levels_of_the_flow_are_those_of_the_jump() -> None:
    """Given levels hold for the part that alerts by itself; its memory of alerts stays its own."""
    flow = parse_flow(with_(detectors=["auto"], record=_ONE_FIELD, alert={"levels": {"warning": 5}, "bump": 1}))
    common, own = plan_of(flow).scoring.channels
    assert (own.policy.watch, own.policy.warning, own.policy.critical) == (None, 5.0, None)
    assert (common.policy.bump, own.policy.bump) == (1.0, pytest.approx(6.9))


def test_its_own_levels_follow_no_lack_of_a_clock() -> None:
    """Less evidence is enough for the sum that misses a part, not for the jump."""
    common, own = plan_of(parse_flow(with_(detectors=["auto"], record=_NO_TIME))).scoring.channels
    assert (common.policy.watch, own.policy.watch) == (1.7, 2.3)


@pytest.mark.parametrize(("tier", "horizon"), [("light", 256), ("standard", 1_000), ("deep", 2_000)])
def test_tiers_of_fields_together(tier: str, horizon: int) -> None:
    """The tier decides how far back windows are compared; scores are calibrated behind a gate unless told otherwise."""
    record = {"time": {"field": "ts"}, "values": ["a", "b", "c", "d"]}
    entries = [{"detector": "auto", "tier": tier}, {"detector": "auto", "as": "own", "calibration": {"warm_up": 40}}]
    flow = parse_flow(with_(detectors=entries, record=record))
    first, own = flow.parts[0].spec, flow.parts[-1].spec
    assert isinstance(first, NativePart)
    assert first.options == JointProfileOptions(horizon=horizon)
    assert (first.calibration.gate, first.calibration.warm_up) == (2.0, 250)
    assert (own.calibration.gate, own.calibration.warm_up) == (None, 40)
    common, *joint = plan_of(flow).scoring.channels
    assert len(joint) == 2
    assert common.weight == 1.0 != joint[0].weight


def test_the_fingerprint_is_that_of_its_parts() -> None:
    """What it stands for decides, not how it is written."""
    prints = [
        parse_flow(with_(detectors=[entry], record=_ONE_FIELD)).fingerprint()
        for entry in ("auto", {"detector": "auto", "tier": "standard"}, {"detector": "auto", "tier": "light"})
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("entry", "record", "most"),
    [
        ("auto", _ONE_FIELD, 35_000),
        ({"detector": "auto", "tier": "deep"}, _ONE_FIELD, 100_000),
        ("auto", _FOUR_FIELDS, 50_000),
        ("shape_profile", _ONE_FIELD, 80_000),
    ],
)
def test_memory_is_told_as_it_is(entry: object, record: dict[str, Any], most: int) -> None:
    """The explanation counts what scoring takes: parts, calibrators, channels, the sampling interval; a state once."""
    flow = parse_flow(with_(detectors=[entry], record=record))
    scoring = Scoring(plan_of(flow).scoring, lambda *_: None)
    told = bytes_per_series(flow)
    assert scoring.bytes_per_series < told < scoring.bytes_per_series + 100  # and the index of series
    assert told <= most


def test_fields_together_are_told_once() -> None:
    """The explanation of several fields and scores names each once, and no common evidence where there is none."""
    text = str(explain(parse_flow(with_(detectors=["auto"], record=_FOUR_FIELDS))))
    assert "auto.joint looks at `a`, `b`, `c`, `d` together: distances" in text
    assert "It has the scores `window_8`, `window_32`, `window_64`, `window_128`, `farthest`, `level`, each" in text
    assert "Evidence of `auto.joint` is judged by itself" in text
    assert "0 parts" not in text
    assert "noise takes one part" not in text


def test_the_light_tier_is_light() -> None:
    """A series takes 6 KB at most."""
    entry = {"detector": "auto", "tier": "light"}
    assert bytes_per_series(parse_flow(with_(detectors=[entry], record=_ONE_FIELD))) <= 6_000


def test_the_explanation_names_its_parts() -> None:
    """The entry, each part, the channel of its own and the bars that follow the sampling."""
    text = str(explain(parse_flow(with_(detectors=["auto"], record=_ONE_FIELD))))
    assert "auto, tier standard, preset general, is these; " in text
    assert "  auto.slot looks at `a`: distance from what the same slot" in text
    assert "5 parts reach 25." in text
    assert "Evidence of `auto.jump` is judged by itself" in text
    assert "higher by 5 for each tenfold of records beyond one in 5 minutes" in text


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            {"detector": "auto", "tier": "heavy"},
            "detectors[0].tier: must be one of light, standard, deep, was 'heavy'",
        ),
        (
            {"detector": "auto", "direction": "above"},
            f"detectors[0].direction: must be left out: {_ONE_BY_ONE}",
        ),
        (
            {"detector": "adaptive_jump", "calibration": {"warm_up": 3}},
            "detectors[0].calibration: must be left out: scores of adaptive_jump are evidence already, was a mapping",
        ),
    ],
)
def test_mistakes(entry: dict[str, object], line: str) -> None:
    """Each is told at its key."""
    assert lines(with_(detectors=[entry])) == [line]
