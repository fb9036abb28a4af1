"""The dataflow: records -> engine -> outputs. Step ids are keys of the recovery store and never change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from pynomaly.application.engine import DetectionResult
from pynomaly.application.output import Output
from pynomaly.application.ports import Message
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import RejectionError
from pynomaly_flows.engine_step import EngineStep, Trace, untraced
from pynomaly_flows.engines import Engines
from pynomaly_flows.sink import OpenOutputs, OutputSink
from pynomaly_flows.source import Source

KeyedResult = tuple[str, DetectionResult]
KeyedMessages = tuple[str, Sequence[Message] | RejectionError]


def build_dataflow(
    name: str,
    source: Source,
    engines: Engines,
    outputs: Sequence[Output],
    telemetry: Telemetry,
    trace: Trace = untraced,
) -> Dataflow:
    """Wire a flow.

    Parameters
    ----------
    name
        Name of the flow; part of every step id.
    source
        Yields ``(partition, batch)``: the partition is the key group, so nothing is split or shuffled.
    engines
        Hold an engine for each stream.
    outputs
        Where the results go.
    telemetry
        Told of every batch, checkpoint and delivery.
    trace
        Entered while a batch is judged.
    """
    flow = Dataflow(name)
    records = op.input("records", flow, source)
    results = op.stateful_batch("engine", records, partial(EngineStep, engines, telemetry, trace))
    opened = OpenOutputs()
    for output in outputs:
        messages = op.flat_map(f"encode-{output.name}", results, partial(_encode, output))
        op.output(f"output-{output.name}", messages, OutputSink(output, telemetry, opened))
    return flow


def _encode(output: Output, keyed: KeyedResult) -> list[KeyedMessages]:
    key, result = keyed
    messages = output.encode(result)
    items: list[KeyedMessages] = [(key, messages)] if messages else []
    return items if result.stopped is None else [*items, (key, result.stopped)]
