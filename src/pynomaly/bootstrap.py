"""The composition root: a flow specification becomes objects, by plain constructor calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import assert_never

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.engine import Engine, EngineFactory
from pynomaly.application.flow_plan import FlowPlan, Kernels
from pynomaly.application.output import Encode, Output
from pynomaly.application.ports import Message, MessageSink, RecordSource
from pynomaly.application.repartition import CopySink
from pynomaly.application.spec.alert import AlertSpec
from pynomaly.application.spec.detect import AdaptedDetectorPart, NativePart, PlacedPart, PyodPart, RiverPart
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.repartition import routed_record
from pynomaly.application.spec.sink import FileSink, KafkaSink, MemorySink, SinkSpec, TerminalSink
from pynomaly.application.spec.source import (
    DatasetSource,
    FileSource,
    KafkaConnection,
    KafkaSource,
    MemorySource,
)
from pynomaly.domain.adapted import AdaptedPartFactory
from pynomaly.domain.decision import Channel
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.event import Event, RecordRejected
from pynomaly.domain.kernel import render
from pynomaly.domain.plan import AdaptedSource, NativeSource, Part, ScoringPlan
from pynomaly.domain.recent_ids import mark_repeats
from pynomaly.domain.record import Stream
from pynomaly.domain.routing import route
from pynomaly.domain.series import Admission
from pynomaly.domain.series.table import find_slots, rebuild
from pynomaly.domain.source_marks import mark_resent
from pynomaly.domain.windows import WindowPlan
from pynomaly.domain.windows.absorb import absorb
from pynomaly.infrastructure.adapted.calls import CallLedger
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly_connectors.codecs.avro_scanner import scan_avro
from pynomaly_connectors.codecs.by_schema import Scans, registered_decoder
from pynomaly_connectors.codecs.choose import DecoderChoice, json_decoder
from pynomaly_connectors.codecs.cloudevents import encode, keyed_by_id, structured, structured_message
from pynomaly_connectors.codecs.event_formats import event_format
from pynomaly_connectors.codecs.event_schemas import ALERTS, LATE
from pynomaly_connectors.codecs.identified import IdentifiedDecoder
from pynomaly_connectors.codecs.json_scanner import scan
from pynomaly_connectors.codecs.origin_header import OriginDecoder
from pynomaly_connectors.codecs.outcome_lines import outcome_lines
from pynomaly_connectors.codecs.payload import Decoder
from pynomaly_connectors.codecs.routed import MessageKeys, RoutedDecoder
from pynomaly_connectors.codecs.scanned import Scan
from pynomaly_connectors.datasets import DatasetRecordSource
from pynomaly_connectors.files.source import FileRecordSource
from pynomaly_connectors.jsonl import JsonLinesSink, envelope_line, value_line
from pynomaly_connectors.kafka.copier import KafkaCopySink
from pynomaly_connectors.kafka.native.batch import kernels_of
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.kafka.source import KafkaRecordSource
from pynomaly_connectors.memory.sink import MemoryMessageSink
from pynomaly_connectors.memory.source import MemoryRecordSource
from pynomaly_connectors.registry.client import Registry
from pynomaly_connectors.registry.event_sink import RegisteredEventSink
from pynomaly_connectors.sealed_file import LedgerFolder
from pynomaly_connectors.terminal import TerminalSink as TerminalMessageSink
from pynomaly_connectors.transcoded import TranscodedSink

_LINES = {"dead-letters": envelope_line, "outcomes": value_line}


@dataclass(frozen=True, slots=True)
class Repartition:
    """What the first stage is made of.

    Parameters
    ----------
    source_for
        Makes the input, given the folder of the state that keeps where it began; its batches have the keys of the
        series and the records whole, and nothing else.
    sink
        Where the copies go.
    fingerprint
        Hash of what decides where a record goes.
    """

    source_for: Callable[[LedgerFolder | None], RecordSource]
    sink: CopySink
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Services:
    """What a runner needs to run a flow.

    Parameters
    ----------
    spec
        The flow as the operator wrote it.
    plan
        The same, resolved.
    source_for
        Makes its input, given the folder of the state that keeps where it began (None: nothing is resumed).
    engine_for
        Makes the engine of a stream.
    outputs
        Makes its outputs, given the ledger folder of the state (None: nothing is resumed).
    calls
        What is out at detectors of other libraries, for a runner that watches over them.
    repartition
        What copies the input by series first; None: it is read as it is.
    """

    spec: FlowSpec
    plan: FlowPlan
    source_for: Callable[[LedgerFolder | None], RecordSource]
    engine_for: EngineFactory
    outputs: Callable[[LedgerFolder | None], tuple[Output, ...]]
    calls: CallLedger = field(default_factory=CallLedger)
    repartition: Repartition | None = None

    @property
    def source(self) -> RecordSource:
        """What it judges, for one pass from the beginning."""
        return self.source_for(None)


def services_of(spec: FlowSpec) -> Services:
    """Build a flow; nothing is opened or started yet.

    Raises
    ------
    ConfigError
        When an adapted detector's library, class or arguments do not fit.
    """
    calls = CallLedger()
    plan = plan_of(spec, calls)
    return Services(
        spec=spec,
        plan=plan,
        source_for=partial(source_of, spec),
        engine_for=engine_factory(plan),
        outputs=partial(_outputs, spec, plan),
        calls=calls,
        repartition=_repartition(spec),
    )


def plan_of(spec: FlowSpec, calls: CallLedger | None = None) -> FlowPlan:
    """Resolve a specification into what decides about scores and alerts."""
    columns = {name: column for column, name in enumerate(spec.fields)}
    return FlowPlan(
        name=spec.flow,
        fields=spec.record.values,
        scoring=ScoringPlan(
            fields=spec.fields,
            parts=_parts(spec, columns, calls),
            common=Channel(spec.combine, spec.persistence, spec.policy),
        ),
        window=_window(spec),
        admission=_admission(spec),
        rejections=spec.limits.rejected,
        fingerprint=spec.fingerprint(),
        dedupe_horizon=None if spec.dedupe is None else spec.dedupe.horizon,
        has_origins=isinstance(spec.source, KafkaSource) and spec.source.by_series is not None,
    )


def engine_factory(plan: FlowPlan) -> EngineFactory:
    """Return what makes an engine for each stream of a flow; its kernels are loaded at the first call."""

    @cache
    def kernels() -> Kernels:
        library = KernelLibrary.default()
        return Kernels(
            process=library.fused(render(plan.scoring)),
            find_slots=library.entry(find_slots),
            absorb=library.entry(absorb),
            mark_repeats=library.entry(mark_repeats),
            rebuild=library.entry(rebuild),
            mark_resent=library.entry(mark_resent),
        )

    def engine_for(stream: Stream) -> Engine:
        return Engine(plan, stream, kernels())

    return engine_for


def _window(spec: FlowSpec) -> WindowPlan | None:
    window = spec.window
    if window is None:
        return None
    return WindowPlan(window.size_ns, window.step_ns, window.aggregates, window.lateness_ns, window.max_jump_ns)


def _admission(spec: FlowSpec) -> Admission:
    limits, window = spec.limits, spec.window
    return Admission(
        limit=limits.series,
        idle_ns=limits.idle_ns or 0,
        evicts=spec.evicts,
        max_jump_ns=0 if window is None else window.max_jump_ns,
    )


def _parts(spec: FlowSpec, columns: dict[str, int], calls: CallLedger | None) -> tuple[Part, ...]:
    parts: list[Part] = []
    problems: dict[Problem, None] = {}  # an entry with several parts breaks a rule once
    for placed in spec.parts:
        try:
            parts.append(_part(placed, columns, spec.alert, calls))
        except ConfigError as error:
            found = (Problem(f"detectors[{placed.entry}].{problem.path}", problem.rule) for problem in error.problems)
            problems.update(dict.fromkeys(found))
    if problems:
        raise ConfigError(*problems)
    return tuple(parts)


def _part(placed: PlacedPart, columns: dict[str, int], alert: AlertSpec, calls: CallLedger | None) -> Part:
    fields = tuple(columns[name] for name in placed.fields)
    spec, channel = placed.spec, placed.own_channel
    match spec:
        case NativePart():
            return Part(
                placed.name,
                NativeSource(spec.native, spec.options),
                fields,
                spec.calibration,
                spec.direction,
                spec.minimum_absolute,
                spec.minimum_relative,
                spec.guard,
                None if channel is None else replace(channel, policy=alert.own_policy(channel.policy)),
                placed.facet,
            )
        case AdaptedDetectorPart() | RiverPart() | PyodPart():
            return Part(placed.name, AdaptedSource(_adapted(spec, placed.fields, calls)), fields, spec.calibration)
        case _:
            raise TypeError(f"part {placed.name} must be native, adapted or of a library, was {type(spec).__name__}")


def _adapted(
    spec: AdaptedDetectorPart | RiverPart | PyodPart, fields: tuple[str, ...], calls: CallLedger | None
) -> AdaptedPartFactory:
    match spec:
        case AdaptedDetectorPart():
            from pynomaly.infrastructure.adapted.plugin_part import plugin_part  # noqa: PLC0415 - a plug-in's part

            return plugin_part(spec.adapted, spec.options, fields, spec.plugin, calls)
        case RiverPart():
            from pynomaly.infrastructure.adapted.river_part import river_part  # noqa: PLC0415 - imports River
            from pynomaly.infrastructure.adapted.river_steps import Step  # noqa: PLC0415

            steps = tuple(Step(step.step, step.params) for step in spec.preprocessing)
            return river_part(spec.river, spec.params, fields, steps, calls)
        case PyodPart():
            from pynomaly.infrastructure.adapted.pyod_part import pyod_part  # noqa: PLC0415 - imports PyOD

            return pyod_part(
                spec.pyod,
                spec.params,
                fields,
                window=spec.window,
                refit_every=spec.refit_every,
                adopt_after=spec.adopt_after,
                group_by=spec.group_by,
                calls=calls,
            )
        case _:
            assert_never(spec)


def source_of(spec: FlowSpec, starts: LedgerFolder | None = None) -> RecordSource:
    """Return the input of a flow, given the folder of the state that keeps where it began; nothing is opened yet."""
    match spec.source:
        case KafkaSource():
            source, decoder = spec.source, _kafka_decoder(spec.record, spec.ids, spec.source)
            if source.by_series is not None:
                # The input decides where a flow starts; of the copies it reads all.
                decoder = OriginDecoder(decoder, source.topic)
                source = source.model_copy(update={"topic": source.by_series, "start": "earliest"})
            return _kafka_source(source, decoder, starts)
        case MemorySource():
            return MemoryRecordSource(spec.source, _json_decoder(spec, spec.source.decoder))
        case FileSource():
            return FileRecordSource(spec.source, spec.record, _scan(), spec.ids)
        case DatasetSource():
            return DatasetRecordSource(spec.source, spec.record)
        case _:
            assert_never(spec.source)


def _kafka_source(source: KafkaSource, decoder: Decoder, starts: LedgerFolder | None) -> KafkaRecordSource:
    return KafkaRecordSource(source, decoder, kernels=kernels_of(KernelLibrary.default().entry), ledger=starts)


def _repartition(spec: FlowSpec) -> Repartition | None:
    source = spec.source
    if not isinstance(source, KafkaSource) or source.by_series is None:
        return None
    connection = {name: getattr(source, name) for name in KafkaConnection.model_fields}
    timeout_s = source.copies_within_s
    copies = KafkaSink(kind="kafka", topic=source.by_series, delivery_timeout_s=timeout_s, **connection)
    return Repartition(
        source_for=partial(_unkeyed_source, routed_record(spec.record), source),
        sink=KafkaCopySink(copies, kernel=KernelLibrary.default().entry(route)),
        fingerprint=spec.routing_fingerprint(),
    )


def _unkeyed_source(record: RecordSpec, source: KafkaSource, starts: LedgerFolder | None) -> RecordSource:
    by_key = record.series_from == "message_key"
    series = MessageKeys() if by_key else _kafka_decoder(record, None, source)
    # No series lives in a partition of the input, so none moves when it gets another one.
    return _kafka_source(source.model_copy(update={"new_partitions": "read"}), RoutedDecoder(series), starts)


def _kafka_decoder(record: RecordSpec, ids: RecordSpec | None, source: KafkaSource) -> Decoder:
    if source.schema_registry is None:
        return json_decoder(record, source.decoder, _scan(), ids)
    scans = Scans(_scan(), KernelLibrary.default().entry(scan_avro))
    records = registered_decoder(record, source, source.schema_registry, scans)
    if ids is None:
        return records
    return IdentifiedDecoder(records, registered_decoder(ids, source, source.schema_registry, scans))


def _json_decoder(spec: FlowSpec, choice: DecoderChoice) -> Decoder:
    return json_decoder(spec.record, choice, _scan(), spec.ids)


def _scan() -> Scan:
    return KernelLibrary.default().entry(scan)


def _outputs(spec: FlowSpec, plan: FlowPlan, ledger: LedgerFolder | None) -> tuple[Output, ...]:
    output = spec.output
    chosen: list[tuple[str, SinkSpec | None, Encode]] = [
        ("alerts", output.alerts, partial(_encode_events, ALERTS)),
        ("dead-letters", output.dead_letters, partial(_encode_events, (RecordRejected,))),
        ("late", output.late, partial(_encode_events, LATE)),
        ("outcomes", output.outcomes, outcome_lines(plan, output.outcomes_of)),
    ]
    used = [(name, sink, _keyed(sink, encode)) for name, sink, encode in chosen if sink is not None]
    return tuple(Output(name, _sink(name, sink, ledger), encode) for name, sink, encode in used)


def _keyed(sink: SinkSpec, encode: Encode) -> Encode:
    """Return the encoder whose messages have the key that the output asks for."""
    if not isinstance(sink, KafkaSink) or sink.key == "series":
        return encode
    return lambda result: [keyed_by_id(message) for message in encode(result)]


def _sink(name: str, spec: SinkSpec, ledger: LedgerFolder | None) -> MessageSink:
    match spec:
        case KafkaSink():
            return _kafka_sink(name, spec)
        case MemorySink():
            return MemoryMessageSink(spec)
        case FileSink():
            return JsonLinesSink(Path(spec.path), _LINES.get(name, structured), ledger)
        case TerminalSink():
            return TerminalMessageSink(sys.stdout)
        case _:
            assert_never(spec)


def _kafka_sink(name: str, spec: KafkaSink) -> MessageSink:
    topic = KafkaMessageSink(spec)
    if spec.mode == "structured":
        return TranscodedSink(topic, structured_message)
    if spec.format == "json" or spec.schema_registry is None:
        return topic
    registry = Registry(spec.schema_registry, f"output.{name}.schema_registry")
    events = event_format(spec.format, LATE if name == "late" else ALERTS)
    return RegisteredEventSink(topic, f"{spec.topic}-value", events, registry, spec.schema_registry)


def _encode_events(kinds: tuple[type[Event], ...], result: DetectionResult) -> list[Message]:
    return [encode(event) for event in result.events if isinstance(event, kinds)]
