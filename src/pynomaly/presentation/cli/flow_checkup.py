"""What the doctor looks at for a flow: its input, its outputs and its metrics address."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pynomaly.application.spec.flow import FlowSpec, MetricsSpec
from pynomaly.application.spec.sink import FileSink, KafkaSink, SinkSpec
from pynomaly.application.spec.source import KafkaConnection, KafkaSource
from pynomaly.bootstrap import services_of
from pynomaly.domain.error import PynomalyError
from pynomaly.presentation.cli.finding import Finding, fail, failures, ok, warn


def examine_flow(spec: FlowSpec) -> Iterator[Finding]:
    """Yield what there is to say of a flow; asks its brokers."""
    try:
        services = services_of(spec)
    except PynomalyError as error:
        yield from failures("detectors", error)
        return
    yield ok("detectors", ", ".join(part.name for part in spec.parts))
    try:
        partitions = services.source.partitions()
    except PynomalyError as error:
        yield from failures("input", error)
    else:
        yield ok("input", f"{_name(spec)}, {len(partitions)} partition{'' if len(partitions) == 1 else 's'}")
    for name, sink in _sinks(spec):
        yield from _examine_sink(name, sink)
    yield from _examine_address(spec.metrics)


def _name(spec: FlowSpec) -> str:
    source = spec.source
    return f"topic {source.topic} at {source.bootstrap}" if isinstance(source, KafkaSource) else source.kind


def _sinks(spec: FlowSpec) -> Iterator[tuple[str, SinkSpec]]:
    output = spec.output
    named = {"alerts": output.alerts, "dead letters": output.dead_letters, "late": output.late}
    for name, sink in {**named, "outcomes": output.outcomes}.items():
        if sink is not None:
            yield name, sink


def _examine_sink(name: str, sink: SinkSpec) -> Iterator[Finding]:
    if isinstance(sink, KafkaSink):
        yield from _examine_topic(name, sink, sink.topic)
    elif isinstance(sink, FileSink):
        yield _examine_file(name, Path(sink.path))


def _examine_topic(name: str, connection: KafkaConnection, topic: str) -> Iterator[Finding]:
    from pynomaly_connectors.kafka.cluster import find_topic

    try:
        found = find_topic(connection, topic)
    except PynomalyError as error:
        yield from failures(name, error)
    else:
        yield ok(name, f"topic {topic} at {connection.bootstrap}, {len(found.partitions)} partitions")


def _examine_file(name: str, path: Path) -> Finding:
    """Look at the file, or at the nearest folder above it that exists: nothing is made."""
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if os.access(nearest, os.W_OK) and not path.is_dir():
        return ok(name, f"file {path}")
    return fail(name, f"file {path} must be writable, was not", f"look at the permissions of {nearest}")


def _examine_address(metrics: MetricsSpec) -> Iterator[Finding]:
    if metrics.address is None:
        return
    try:
        with socket.create_server(metrics.address):
            yield ok("metrics", f"{metrics.listen} is free")
    except OSError as error:
        remedy = "is the flow running already? else choose another address"
        yield warn("metrics", f"{metrics.listen} cannot be listened on: {error.strerror}", remedy)
