"""Alerts that the brokers do not take for good: the flow stops before their epoch counts, and a restart loses nothing.

Row 7 of the fault matrix with the whole program; tests/faults/test_kafka_broker_errors.py has every kind of refusal.

CI: one attempt before the topic is mended. ``E2E_SIZE=full``: three.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from brokers.kafka_topics import KafkaTopics
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Program
from e2e.size import size
from e2e.traffic import Traffic, send, spread
from e2e.verifier import assert_one_outcome_each, durable_epoch, lines, offsets
from fault_table import Figures

_SERIES: Final = 50
_STEPS: Final = 400
_WITHIN_S: Final = 60.0
_TEMPFAIL: Final = 75

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_an_alert_topic_that_takes_too_little(
    kafka: KafkaTopics,
    program: Program,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    tell: Callable[[Figures], None],
) -> None:
    """Exit status 75 and one line with the two settings; nothing became durable; once raised, all alerts are there."""
    readings = unique_name("readings")
    flow = FlowRuns.of("kafka", {"alert": TALKATIVE}, program, kafka, tmp_path / "flow.yaml", readings)
    flow.create_topics(2, ("broken", "whole"))
    kafka.alter(flow.alerts("broken"), max_message_bytes="400")
    spikes = spread(100, range(_STEPS), _SERIES)
    sent = send(flow.bootstrap, readings, Traffic(_SERIES, _STEPS, 2, spikes).records())
    tries = size(1, 3)  # a restart must not be luckier
    for _ in range(tries):
        ended = flow.start("broken", "--until-end").wait(_WITHIN_S)
        assert ended.code == _TEMPFAIL, ended.err
        (complaint,) = ended.complaints
        assert "must be no larger than client and broker allow" in complaint
        assert "`max.message.bytes` of the topic" in complaint
        assert "Traceback" not in ended.err
        assert durable_epoch(flow.state("broken")) is None
        assert flow.alerted("broken") == []
    kafka.alter(flow.alerts("broken"), max_message_bytes="1000000")
    for run in ("broken", "whole"):
        flow.finish(run)
    read = offsets(flow.bootstrap, readings)
    assert_one_outcome_each(lines(flow.outcomes("broken")), read)
    repeated = flow.assert_equal("broken", "whole", least_alerts=10)
    tell(Figures(7, "alerts too large for their topic", sent, sent - len(read), repeated, tries, note="status 75"))
    assert repeated == 0
