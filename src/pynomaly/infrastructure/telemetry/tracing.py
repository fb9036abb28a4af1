"""OpenTelemetry: one span for each batch, if the standard OTEL_* variables ask for it.

OpenTelemetry's own default is to export to localhost; ours is silence until an exporter or an endpoint is named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, cast

from opentelemetry.trace import INVALID_SPAN, NoOpTracer, Span, SpanKind, Tracer

from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.record import RecordBatch

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_EXTRAS: Final = {"otlp_proto_http": "'pynomaly-streaming[otlp]'"}


@dataclass(frozen=True, slots=True)
class Tracing:
    """A tracer, and what must be called before the process ends."""

    tracer: Tracer
    close: Callable[[], None]


def tracing_from(environment: Mapping[str, str], version: str) -> Tracing:
    """Make the tracer that the environment asks for; one that does nothing if it asks for none.

    OTEL_TRACES_EXPORTER (`none`, `console`, `otlp` or an installed one) or an OTLP endpoint turns it on;
    OTEL_SDK_DISABLED turns it off. The SDK reads OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and its kin by itself.

    Raises
    ------
    ConfigError
        When the exporter is not installed.
    """
    exporter = _exporter_named_in(environment)
    if exporter is None:
        return Tracing(NoOpTracer(), _nothing)
    # The SDK looks at the machine and costs a start 30 ms, which a run without traces need not pay.
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    ours = Resource.create({"service.name": "pynomaly", "service.version": version})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter()))
    return Tracing(provider.get_tracer("pynomaly", version), provider.shutdown)


@contextmanager
def batch_span(tracer: Tracer, flow: str, batch: RecordBatch) -> Generator[Span, None, None]:
    """Trace what is done with one batch; costs about 1 us when tracing is off.

    Names follow OpenTelemetry's conventions for messaging.
    """
    if isinstance(tracer, NoOpTracer):
        yield INVALID_SPAN
        return
    name = f"process {batch.stream.name}"
    with tracer.start_as_current_span(name, kind=SpanKind.CONSUMER, attributes=_attributes(flow, batch)) as span:
        yield span


def _attributes(flow: str, batch: RecordBatch) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "messaging.operation.type": "process",
        "messaging.destination.name": batch.stream.name,
        "messaging.destination.partition.id": str(batch.stream.partition),
        "messaging.batch.message_count": len(batch),
        "pynomaly.flow": flow,
    }
    if len(batch):
        attributes["pynomaly.first_offset"] = int(batch.offset[0])
    return attributes


def _exporter_named_in(environment: Mapping[str, str]) -> Callable[[], SpanExporter] | None:
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    has_endpoint = any(environment.get(name) for name in _ENDPOINTS)
    name = environment.get(_EXPORTER, "").strip() or ("otlp" if has_endpoint else "none")
    if name == "none":
        return None
    return _load(_otlp(environment) if name == "otlp" else name)


def _otlp(environment: Mapping[str, str]) -> str:
    protocol = next((value for name in _PROTOCOLS if (value := environment.get(name, "").strip())), "http/protobuf")
    if protocol not in _OTLP:
        raise ConfigError(Problem(_PROTOCOLS[1], f"must be one of {', '.join(_OTLP)}, was {protocol!r}"))
    return _OTLP[protocol]


def _load(name: str) -> Callable[[], SpanExporter]:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - as above

        return partial(ConsoleSpanExporter, out=sys.stderr)  # by itself it would mix with results on standard output
    found = entry_points(group="opentelemetry_traces_exporter")
    if name not in found.names:
        rule = f"must be none or an installed exporter ({', '.join(sorted(found.names))}), was {name!r}"
        package = _EXTRAS.get(name, f"opentelemetry-exporter-{name.replace('_', '-')}")
        raise ConfigError(Problem(_EXPORTER, f"{rule}: pip install {package}, or leave the OTEL_* variables unset"))
    return cast("Callable[[], SpanExporter]", found[name].load())


def _nothing() -> None:
    """Close what was never opened."""
