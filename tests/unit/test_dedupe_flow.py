"""The section `dedupe` of a flow: what it accepts, what it changes, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from pynomaly.application.spec.dedupe import DedupeSpec
from pynomaly.application.spec.explain import explain
from pynomaly.application.spec.parse import parse_flow
from pynomaly.bootstrap import plan_of
from pynomaly.domain.error import ConfigError


def _tree(**sections: object) -> dict[str, Any]:
    return {
        "flow": "pumps",
        "source": {"kind": "memory", "topic": "readings"},
        "record": {"time": {"field": "ts"}, "values": ["a"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "terminal"}},
        **sections,
    }


def test_the_default_looks_for_no_repeats() -> None:
    """A flow that says nothing counts every record."""
    flow = parse_flow(_tree())
    assert flow.dedupe is None
    assert plan_of(flow).dedupe_horizon is None
    assert flow.ids is None


def test_what_is_remembered_belongs_to_the_state() -> None:
    """Another field or horizon tells other repeats: the flow's state does not fit any more."""
    flows = [None, {"field": "id"}, {"field": "id", "horizon": 5}, {"field": "uid"}]
    fingerprints = {parse_flow(_tree(dedupe=dedupe)).fingerprint() for dedupe in flows}
    assert len(fingerprints) == len(flows)
    assert parse_flow(_tree(dedupe={"field": "id"})).dedupe == DedupeSpec(field="id", horizon=100_000)


def test_it_is_explained() -> None:
    """An operator reads what is left out."""
    text = str(explain(parse_flow(_tree(dedupe={"field": "meta.id", "horizon": 5_000}))))
    assert "A record whose `meta.id` is that of one of the last 5,000 of its input partition is left out" in text


@pytest.mark.parametrize(
    ("sections", "text"),
    [
        ({"dedupe": {"horizon": 5}}, "dedupe.field: must be given"),
        ({"dedupe": {"field": "id", "horizon": 0}}, "dedupe.horizon: must be"),
        ({"dedupe": {"field": "id", "horizon": 10_000_001}}, "dedupe.horizon: must be"),
        ({"dedupe": {"field": "id", "horizn": 3}}, "did you mean horizon?"),
        ({"source": {"kind": "dataset", "name": "water_flow"}, "dedupe": {"field": "id"}}, "dedupe: must be left out"),
    ],
)
def test_what_cannot_be_is_told(sections: dict[str, Any], text: str) -> None:
    """The complaint names the key."""
    tree = _tree(**sections)
    if "source" in sections:
        del tree["record"]
    with pytest.raises(ConfigError) as caught:
        parse_flow(tree)
    assert text in str(caught.value)
