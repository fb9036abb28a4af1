"""The first stage of a flow that orders its input by series: batches of the input go into the topic by series.

A copy counts when the epoch does: before that every copy of the epoch is acknowledged. After a crash the input is read
again from the last epoch, and what is copied twice is told by its origin.
"""

from __future__ import annotations

from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import StatefulSinkPartition

from pynomaly.application.repartition import BY_SERIES, CopySink, RecordCopier
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.record import RecordBatch
from pynomaly.domain.seal import Seals
from pynomaly_flows.delivery import Delivery, OnePartSink
from pynomaly_flows.foreseen import foreseen
from pynomaly_flows.sealed_rows import sealed_sink, sealed_source
from pynomaly_flows.source import Source
from pynomaly_flows.step import UNKEYED


def add_copying(flow: Dataflow, source: Source, sink: CopySink, telemetry: Telemetry, seals: Seals) -> None:
    """Wire the first stage: the input goes into the topic by series."""
    records = op.input(UNKEYED, flow, sealed_source(source, UNKEYED, seals))
    op.output(BY_SERIES, records, sealed_sink(CopyOutput(sink, telemetry), BY_SERIES, seals))


class CopyPartition(StatefulSinkPartition[RecordBatch, bytes]):
    """The open end of the topic."""

    def __init__(self, copier: RecordCopier, telemetry: Telemetry) -> None:
        self._copier = copier
        self._delivery = Delivery(BY_SERIES, telemetry)

    @foreseen
    def write_batch(self, values: list[RecordBatch]) -> None:
        """Queue copies.

        Raises
        ------
        DeliveryError, AccessError
            When one is refused.
        """
        for batch in values:
            self._delivery.queue(partial(self._copier.copy, batch), len(batch))

    @foreseen
    def snapshot(self) -> bytes:
        """Wait until all copies of the epoch are delivered, and return which topic they are in.

        Raises
        ------
        DeliveryError, AccessError
            When one is not: the epoch must not become durable.
        """
        self._delivery.confirm(self._copier.flush)
        return self._copier.position()

    def close(self) -> None:
        """Close the producer."""
        self._delivery.close(self._copier.close)


class CopyOutput(OnePartSink[RecordBatch]):
    """The topic as a sink of Bytewax.

    Raises
    ------
    PynomalyError
        When it cannot be written to: said here, before Bytewax starts, it is said without a stack trace.
    """

    def __init__(self, sink: CopySink, telemetry: Telemetry) -> None:
        sink.check()
        self._sink = sink
        self._telemetry = telemetry

    @foreseen
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> CopyPartition:  # noqa: ARG002
        """Open the topic, which must be the one of before."""
        return CopyPartition(self._sink.open(resume_state), self._telemetry)
