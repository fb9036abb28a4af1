"""The state of an engine: no record twice, none of another flow or version, and nothing in it by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest

from pynomaly.application.engine import Engine
from pynomaly.application.flow_plan import FlowPlan, Kernels
from pynomaly.domain.error import StateError
from pynomaly.domain.record import Stream
from pynomaly.domain.series import Admission
from pynomaly.domain.state import StateImage, join, pack, split, unpack
from unit.pump_engine import (
    FLOWS,
    NATIVE,
    STREAM,
    batch_of,
    batches_of,
    engine_of,
    every_flow,
    kernels_of,
    plan_of,
    readings,
)


def test_records_do_not_count_twice() -> None:
    """A batch that begins at or before the last offset stops the run; the state stays as it was."""
    engine = engine_of(plan_of(*NATIVE))
    engine.process(batch_of(("a", 1, 1.0), ("a", 2, 1.0), first_offset=5))
    before = engine.snapshot()
    for first_offset in (5, 6):
        with pytest.raises(StateError, match=rf"readings\[2\]: next offset must be above 6, was {first_offset}.*--sta"):
            engine.process(batch_of(("a", 3, 1.0), first_offset=first_offset))
    assert engine.snapshot() == before
    engine.process(batch_of(("a", 3, 1.0), first_offset=70))
    assert engine.records == 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda plan, stream: (replace(plan, name="fans"), stream), "flow must be 'fans', was 'pumps'"),
        (
            lambda plan, stream: (replace(plan, fingerprint="new"), stream),
            "fingerprint must be 'new', was 'as written'",
        ),
        (lambda plan, stream: (plan, replace(stream, name="other")), "stream must be"),
        (lambda plan, stream: (plan, replace(stream, partition=3)), "stream must be"),
        (lambda plan, stream: (plan, replace(stream, incarnation="second")), "stream must be"),
    ],
    ids=["flow", "fingerprint", "stream", "partition", "incarnation"],
)
def test_foreign_state_is_refused(change: Callable[[FlowPlan, Stream], tuple[FlowPlan, Stream]], text: str) -> None:
    """State goes into the engine of the same flow and stream only."""
    plan = plan_of(*NATIVE)
    state = engine_of(plan).snapshot()
    with pytest.raises(StateError, match=text):
        engine_of(*change(plan, STREAM)).restore(state)


def test_state_of_another_version_is_refused() -> None:
    """A version of the state that this code does not know is not guessed at."""
    plan = plan_of(*NATIVE)
    image = unpack(engine_of(plan).snapshot())
    newer = pack(StateImage({**image.header, "version": 99}, image.sections))
    with pytest.raises(StateError, match="version must be 2, was 99"):
        engine_of(plan).restore(newer)


@pytest.mark.parametrize("missing", ["series", "scoring", "windows", "part sizes"])
def test_incomplete_state_is_refused(missing: str) -> None:
    """A state without one of its sections is refused by name before anything is taken over."""
    plan = FLOWS["windows"]
    image = unpack(engine_of(plan).snapshot())
    parts = split(image)
    del parts[missing]
    engine = engine_of(plan)
    before = engine.snapshot()
    with pytest.raises(StateError, match=rf"parts must be \[.*'{missing}'.*\], were"):
        engine.restore(pack(join(image.header, parts)))
    assert engine.snapshot() == before


def test_no_memory_of_others_gets_into_the_state() -> None:
    """The bytes between the fields of a row are 0 for old and new series, before and after a restart."""
    plan = FLOWS["trees"]
    engine = engine_of(plan)
    for first in (0, 200):
        engine.process(batch_of(*((f"series-{number}", 1, 1.0) for number in range(first + 200)), first_offset=first))
        state = engine.snapshot()
        rows = split(unpack(state))["scoring"].sections["state.trees"]
        used = rows.dtype.fields["leaf"][1] + rows.dtype["leaf"].itemsize if rows.dtype.fields else 0
        padding = rows.view(np.uint8).reshape(len(rows), -1)[:, used:]
        assert padding.shape[1] == 4
        assert not padding.any()
        engine = engine_of(plan)
        engine.restore(state)


def _recorded(kernel: Callable[..., Any], calls: list[tuple[object, ...]]) -> Callable[..., Any]:
    """Pass on calls, and note what types compiled code sees."""

    def call(*arguments: object) -> object:
        calls.append(tuple(map(numba.typeof, arguments)))
        return kernel(*arguments)

    return call


@every_flow
def test_a_restored_engine_needs_no_other_machine_code(flow: str) -> None:
    """Every kernel is called with the same types before and after a restart, however the tables grow."""
    plan = FLOWS[flow]
    plain = kernels_of(plan.scoring)
    names = ("process", "find_slots", "absorb", "mark_repeats", "rebuild")
    calls: dict[str, list[tuple[object, ...]]] = {name: [] for name in names}
    unused = {"absorb"} if plan.window is None else set[str]()
    unused |= {"mark_repeats"} if plan.dedupe_horizon is None else set()
    watched = Kernels(**{name: _recorded(getattr(plain, name), seen) for name, seen in calls.items()})
    first, second, third = batches_of(readings(), [500, 500, 500])
    fresh = Engine(plan, STREAM, watched)
    fresh.process(first)
    restored = Engine(plan, STREAM, watched)
    restored.restore(fresh.snapshot())
    restored.process(second)
    many = [(f"new-{number}", 10**9, 1.0) for number in range(100)]
    roomy = Engine(replace(plan, admission=Admission(1_000)), STREAM, watched)
    roomy.restore(restored.snapshot())
    roomy.process(batch_of(*many, first_offset=2_000))
    fresh.process(second)
    fresh.process(third)
    for name, seen in calls.items():
        assert len(set(seen)) == (0 if name in unused else 1), name
