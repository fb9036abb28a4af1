"""The dataflow: records -> engine -> outputs. Step ids are keys of the recovery store and never change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.output import Output
from pynomaly.application.telemetry import Telemetry
from pynomaly_flows.engine_step import EngineStep, Trace, untraced
from pynomaly_flows.engines import Engines
from pynomaly_flows.parcel import Item, Parcel, pack
from pynomaly_flows.sink import OpenOutputs, OutputSink
from pynomaly_flows.source import Source

KeyedResult = tuple[str, DetectionResult]
KeyedParcel = tuple[str, Parcel]


def build_dataflow(
    name: str,
    source: Source,
    engines: Engines,
    outputs: Sequence[Output],
    telemetry: Telemetry,
    trace: Trace = untraced,
    *,
    in_cluster: bool = False,
) -> Dataflow:
    """Wire a flow.

    Parameters
    ----------
    name
        Name of the flow; part of every step id.
    source
        Yields ``(key group, batch)``: a partition is a key group, so nothing is split or shuffled.
    engines
        Hold an engine for each stream.
    outputs
        Where the results go.
    telemetry
        Told of every batch, checkpoint and delivery.
    trace
        Entered while a batch is judged.
    in_cluster
        Whether other processes take part, to which encoded messages may have to go.
    """
    flow = Dataflow(name)
    records = op.input("records", flow, source)
    results = op.stateful_batch("engine", records, partial(EngineStep, engines, telemetry, trace))
    opened = OpenOutputs()
    for output in outputs:
        messages = op.flat_map(f"encode-{output.name}", results, partial(_encode, output, in_cluster))
        op.output(f"output-{output.name}", messages, OutputSink(output, telemetry, opened))
    return flow


def _encode(output: Output, in_cluster: bool, keyed: KeyedResult) -> list[KeyedParcel]:  # noqa: FBT001 - see its one call
    key, result = keyed
    messages = output.encode(result)
    items: list[Item] = [messages] if messages else []
    if result.stopped is not None:
        items.append(result.stopped)
    return [(key, pack(item) if in_cluster else item) for item in items]
