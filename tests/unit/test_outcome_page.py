"""The page of outcomes names every word once, in the order in which decoders and rules judge."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pynomaly.application.outcome_page import PRECEDENCE, outcome_page
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import RecordSpec, TimeSpec
from pynomaly.application.spec.schema import flow_schema
from pynomaly.domain.outcome import Outcome, Reason
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.json_portable import PortableJsonDecoder
from pynomaly_connectors.codecs.payload import RawBatch

PAGE = Path(__file__).parents[2] / "docs" / "outcomes.md"

#: By docstring of the domain's module of outcomes.
ORDER = ["duplicate", "ignored", "rejected", "late", "windowed", "warming", "suppressed", "anomalous", "normal"]


def test_page_is_current() -> None:
    """docs/outcomes.md is what the program's list gives."""
    assert PAGE.read_text() == outcome_page(), (
        "docs/outcomes.md must be current: python -m pynomaly.application.outcome_page > docs/outcomes.md"
    )


def test_page_names_every_outcome_and_reason_once() -> None:
    """Outcomes stand in their precedence; `accepted` never leaves the engine, so it is not there."""
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)?", PAGE.read_text(), re.MULTILINE)
    assert [outcome for outcome, reason in rows if not reason] == ORDER
    assert {outcome.label for outcome in Outcome} == set(ORDER)
    reasons = [reason for _, reason in rows if reason]
    assert sorted(reasons) == sorted(reason.label for reason in Reason if reason is not Reason.ACCEPTED)


def test_reasons_follow_their_outcomes() -> None:
    """The order of reasons is the order of outcomes, refined."""
    outcomes = [ORDER.index(reason.outcome.label) for reason in PRECEDENCE]
    assert outcomes == sorted(outcomes)


def test_reasons_name_only_keys_that_a_flow_has() -> None:
    """An operator finds each key in the reference."""
    definitions = json.loads(json.dumps(flow_schema()["$defs"]))
    known = {key for section in definitions.values() for key in section.get("properties", {})} | {
        *FlowSpec.model_fields
    }
    named = {step for keys in PRECEDENCE.values() for key in keys for step in key.replace("[]", "").split(".")}
    assert named <= known


@pytest.mark.parametrize(
    ("payload", "first", "second"),
    [
        (b"not JSON" * 9, Reason.TOO_LARGE, Reason.MALFORMED),
        (b'{"t": "x", "s": []}', Reason.BAD_TIME, Reason.BAD_SERIES),
        (b'{"t": 1, "s": [], "v": "x"}', Reason.TIME_OUT_OF_RANGE, Reason.BAD_SERIES),
        (b'{"t": 1e9, "s": [], "v": "x"}', Reason.BAD_SERIES, Reason.NOT_A_NUMBER),
    ],
)
def test_a_record_with_two_faults_has_the_first_reason(payload: bytes, first: Reason, second: Reason) -> None:
    """What the page says of precedence is what a decoder does."""
    spec = RecordSpec(time=TimeSpec(field="t", format="s"), values=("v", "w"), series=("s",), max_bytes=60)
    batch = PortableJsonDecoder(spec).decode(Stream("x"), RawBatch.of([payload], np.array([0])))
    assert batch.refusal.tolist() == [first]
    order = list(PRECEDENCE)
    assert order.index(first) < order.index(second)
