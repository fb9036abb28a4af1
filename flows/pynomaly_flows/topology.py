"""The dataflow: records -> engine -> outputs. Step ids are keys of the recovery store and never change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.output import Output
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.seal import UNSEALED, Seals
from pynomaly_flows.engine_step import EngineStep, Trace, untraced
from pynomaly_flows.engines import Engines
from pynomaly_flows.parcel import Item, Parcel, pack
from pynomaly_flows.sealed_rows import LogicBuilder, SealedStep, seal_parcel, sealed_sink, sealed_source
from pynomaly_flows.sink import OpenOutputs, OutputSink
from pynomaly_flows.source import Source
from pynomaly_flows.step import ENGINE, RECORDS, output_step

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
    seals: Seals = UNSEALED,
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
    seals
        Of the rows of the recovery store.
    """
    flow = Dataflow(name)
    records = op.input(RECORDS, flow, sealed_source(source, RECORDS, seals))
    build: LogicBuilder = partial(EngineStep, engines, telemetry, trace)
    sealed = partial(SealedStep, build, source.key_of, seals)
    results = op.stateful_batch(ENGINE, records, sealed if seals.active else build)
    opened = OpenOutputs()
    for output in outputs:
        pack_with = seals if in_cluster else None
        messages = op.flat_map(f"encode-{output.name}", results, partial(_encode, output, pack_with))
        step = output_step(output.name)
        op.output(step, messages, sealed_sink(OutputSink(output, telemetry, opened, source.idle_outputs), step, seals))
    return flow


def _encode(output: Output, pack_with: Seals | None, keyed: KeyedResult) -> list[KeyedParcel]:
    key, result = keyed
    messages = output.encode(result)
    items: list[Item] = [messages] if messages else []
    if result.stopped is not None:
        items.append(result.stopped)
    return [(key, item if pack_with is None else seal_parcel(pack(item), pack_with)) for item in items]
