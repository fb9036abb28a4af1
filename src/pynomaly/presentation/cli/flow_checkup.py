"""What the doctor looks at for a flow: its input and schemas, its outputs and its metrics address."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from pynomaly.application.output import Output
from pynomaly.application.ports import RecordSource
from pynomaly.application.repartition import BY_SERIES
from pynomaly.application.spec.flow import FlowSpec, MetricsSpec
from pynomaly.application.spec.source import KafkaSource
from pynomaly.bootstrap import services_of
from pynomaly.domain.error import PynomalyError
from pynomaly.operations import input_registry_of
from pynomaly.presentation.cli.finding import Finding, failures, ok, warn


def examine_flow(spec: FlowSpec) -> Iterator[Finding]:
    """Yield what there is to say of a flow; asks its brokers."""
    try:
        services = services_of(spec)
    except PynomalyError as error:
        yield from failures("detectors", error)
        return
    yield ok("detectors", ", ".join(part.name for part in spec.parts))
    source, copied = spec.source, services.repartition
    place = source.bootstrap if isinstance(source, KafkaSource) else ""
    if copied is not None and isinstance(source, KafkaSource):
        yield from _examine_input("input", f"topic {source.topic} at {place}", copied.source_for(None))
        yield from _examine_input(BY_SERIES, f"topic {source.judged} at {place}", services.source)
    else:
        name = f"topic {source.topic} at {place}" if isinstance(source, KafkaSource) else source.kind
        yield from _examine_input("input", name, services.source)
    yield from _examine_registry(spec)
    for output in services.outputs(None):
        yield from _examine_output(output)
    yield from _examine_address(spec.metrics)


def _examine_input(title: str, name: str, source: RecordSource) -> Iterator[Finding]:
    try:
        count = len(source.partitions())
    except PynomalyError as error:
        yield from failures(title, error)
    else:
        yield ok(title, f"{name}, {count} partition{'' if count == 1 else 's'}")


def _examine_registry(spec: FlowSpec) -> Iterator[Finding]:
    try:
        registry = input_registry_of(spec)
        if registry is not None:
            registry.check()
            yield ok("schemas", registry.where)
    except PynomalyError as error:
        yield from failures("schemas", error)


def _examine_output(output: Output) -> Iterator[Finding]:
    try:
        output.sink.check()
    except PynomalyError as error:
        yield from failures(output.name, error)
    else:
        yield ok(output.name, output.sink.where)


def _examine_address(metrics: MetricsSpec) -> Iterator[Finding]:
    if metrics.address is None:
        return
    try:
        with socket.create_server(metrics.address):
            yield ok("metrics", f"{metrics.listen} is free")
    except OSError as error:
        remedy = "is the flow running already? else choose another address"
        yield warn("metrics", f"{metrics.listen} cannot be listened on: {error.strerror}", remedy)
