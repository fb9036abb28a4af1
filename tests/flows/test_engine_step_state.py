"""What the engine's step of a flow says of a state that is not its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.application.tally import Tally
from pynomaly.bootstrap import engine_factory, plan_of
from pynomaly.domain.error import StateError
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly_flows.checkpoint_pace import CheckpointPace
from pynomaly_flows.drain import Drain
from pynomaly_flows.engine_step import EngineStep, untraced
from pynomaly_flows.engines import Engines
from pynomaly_flows.side_files import SideFiles

_STREAM = Stream("readings")


def _one_record() -> RecordBatch:
    zero = np.zeros(1, np.int64)
    return RecordBatch(_STREAM, zero, zero, KeyColumn.of([b"a"]), np.ones((1, 1)), np.zeros(1, np.uint8))


@pytest.mark.parametrize("half_life", [50, None])
def test_a_foreign_state_says_which_flags_help(half_life: int | None, tmp_path: Path) -> None:
    """An operator gets out by flags, which only the flow knows of; damaged bytes are told like those of others."""
    source = {"kind": "memory", "topic": _STREAM.name}
    engine_for = engine_factory(plan_of(adhoc_flow(source, Columns(("v",)), ["ew_zscore"])))
    state = b"nothing at all"
    if half_life is not None:
        other = plan_of(adhoc_flow(source, Columns(("v",)), [f"ew_zscore:half_life={half_life}"]))
        state = engine_factory(other)(_STREAM).snapshot()
    engines = Engines(engine_for, SideFiles(tmp_path), CheckpointPace(1, 1), Drain(), Tally())
    step = EngineStep(engines, Tally(), untraced, state)
    with pytest.raises(StateError, match=r"must .*; give the flow its own --state folder, .* --reset-state$"):
        step.on_batch([_one_record()])
