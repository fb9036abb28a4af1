"""How long a flow that is well may stand still."""

from __future__ import annotations

from typing import Final

from pynomaly.application.spec.detect import PyodPart
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaSource
from pynomaly.infrastructure.adapted.fit_process import FIT_TIMEOUT_S

_MARGIN_S: Final = 60.0


def longest_wait_s(spec: FlowSpec) -> float:
    """Return how long a flow may wait for a broker, or for fits that stand in one queue [s]."""
    output = spec.output
    sinks = (output.alerts, output.dead_letters, output.late, output.outcomes)
    deliveries = (sink.delivery_timeout_s for sink in sinks if isinstance(sink, KafkaSink))
    fits = FIT_TIMEOUT_S * sum(isinstance(part.spec, PyodPart) for part in spec.parts)
    copies = spec.source.copies_within_s if isinstance(spec.source, KafkaSource) else 0.0
    return max([fits, copies, *deliveries])


def longest_silence_s(spec: FlowSpec) -> float:
    """Return after which silence something is wrong with a flow [s]."""
    return longest_wait_s(spec) + _MARGIN_S
