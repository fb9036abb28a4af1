"""What a flow will do, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final, assert_never

from pynomaly.application.spec.auto import AutoPart
from pynomaly.application.spec.detect import NativePart, PlacedPart
from pynomaly.application.spec.duration import duration_text
from pynomaly.application.spec.explain_detector import bytes_of_part, explain_entry, named
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.sink import FileSink, KafkaSink, MemorySink, SinkSpec, TerminalSink
from pynomaly.application.spec.source import DatasetSource, FileSource, KafkaSource, MemorySource, SourceSpec
from pynomaly.application.spec.start import Place, TopicEnd, place_text
from pynomaly.domain.alert_policy import CombinationOptions
from pynomaly.domain.decision import series_dtype
from pynomaly.domain.series import INDEX_BYTES

_TIME_FORMATS: Final = {
    "iso8601": "ISO 8601 text",
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """Sentences about one side of a flow."""

    title: str
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"  {sentence}" for sentence in self.sentences)])


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that there is to say about a flow before it runs; `str` of it is a page of text."""

    topics: tuple[Topic, ...]

    def __str__(self) -> str:
        return "\n\n".join(str(topic) for topic in self.topics)


def explain(flow: FlowSpec) -> Explanation:
    """Say what a flow reads, looks for, alerts of, writes and remembers."""
    topics = {
        f"Flow {flow.flow}": _identity(flow),
        "Input": _input(flow),
        "Detectors": _detectors(flow),
        "Alerts": _alerts(flow),
        "Output": _outputs(flow),
        "State": _state(flow),
    }
    return Explanation(tuple(Topic(title, tuple(sentences)) for title, sentences in topics.items()))


def _identity(flow: FlowSpec) -> Iterator[str]:
    if flow.description is not None:
        yield from flow.description.strip().splitlines()
    yield f"Fingerprint {flow.fingerprint()}: what decides about scores and alert ids."


def _time(record: RecordSpec) -> str:
    if record.time.from_message:
        return "the timestamp of the message"
    return f"`{record.time.field}`, {_TIME_FORMATS[record.time.format]}"


def _input(flow: FlowSpec) -> Iterator[str]:
    record, window = flow.record, flow.window
    yield _origin(flow.source)
    yield f"Time is {_time(record)}; values are {named(record.values)}."
    if record.headers:
        yield f"Of these {named(record.headers)} stand in the headers of the message."
    if record.series_from == "message_key":
        yield "Every message key is a series of its own."
    elif record.series:
        yield f"Every value of {named(record.series)} is a series of its own."
    else:
        yield "Every input partition or file is one series."
    if flow.dedupe is not None:
        horizon = f"the last {flow.dedupe.horizon:,} of its input partition"
        yield f"A record whose `{flow.dedupe.field}` is that of one of {horizon} is left out as a duplicate."
    if window is not None:
        size, step, lateness = (duration_text(ns) for ns in (window.size_ns, window.step_ns, window.lateness_ns))
        yield f"Detectors see {named(window.aggregates)} over {size} of event time, every {step}, not single records."
        yield f"A window closes when a record of its stream is {lateness} past its end; records after that are late."


def _origin(source: SourceSpec) -> str:
    match source:
        case KafkaSource():
            reads = f"Reads topic {source.topic} of Kafka at {source.bootstrap}, from {_start(source.start)} on"
            copies = f", copies each record by series to topic {source.by_series}, and judges the copies"
            return f"{reads}{'' if source.by_series is None else copies}."
        case FileSource():
            after = "then waits for more" if source.follow else "then ends"
            return f"Reads {source.path} to the end, {after}; every file is a stream of its own."
        case DatasetSource():
            return f"Reads the bundled dataset {source.name}, then ends."
        case MemorySource():
            return f"Reads topic {source.topic} of the in-memory broker {source.broker}."
        case _:
            assert_never(source)


def _start(start: TopicEnd | Place) -> str:
    match start:
        case "earliest" | "latest":
            return f"the {start} record"
        case datetime():
            return f"the first record of {place_text(start)} or later"
        case int() | dict():
            return f"offset {place_text(start)}"
        case _:
            assert_never(start)


def _detectors(flow: FlowSpec) -> Iterator[str]:
    for entry, members in groupby(flow.parts, key=lambda part: part.entry):
        placed, indent, given = list(members), "", flow.detectors[entry]
        if isinstance(given, AutoPart):
            indent = "  "
            size = sum(map(bytes_of_part, placed))
            yield f"{given.title}, tier {given.tier}, preset {given.preset}, is these; {size:,} bytes a series:"
        for _, parts in groupby(placed, key=lambda part: part.spec):
            yield from (f"{indent}{sentence}" for sentence in explain_entry(list(parts), _unit(flow)))


def _unit(flow: FlowSpec) -> str:
    """Name what is scored."""
    return "records" if flow.window is None else "windows"


def _alerts(flow: FlowSpec) -> Iterator[str]:
    combine, persistence, alert = flow.combine, flow.persistence, flow.alert
    unit, count = _unit(flow), sum(part.own_channel is None for part in flow.parts)
    own = dict.fromkeys(_judged_alone(part) for part in flow.parts if part.own_channel is not None)
    if count:
        yield (
            f"A part adds its severity above {combine.soft_threshold:g} to the evidence, at most {combine.cap:g}; "
            f"{count} {'part reaches' if count == 1 else 'parts reach'} {count * combine.cap:g}."
        )
    if own:
        yield f"Evidence of {named(tuple(own))} is judged by itself, under a policy of its own with the same levels."
    for level, bar in flow.levels.items():
        yield f"{level.label} from evidence {bar:g}" + (f": {_rarity(bar, combine, unit)}" if count else ".")
    if persistence.of > 1:
        yield f"Only when {persistence.hits} of a series' last {persistence.of} {unit} reach the level."
    if alert.bump > 0:
        yield (
            f"After an alert the bar of its level is {alert.bump:g} higher and loses half of that in "
            f"{alert.bump_half_life:g} {unit}."
        )
    if flow.policy.sampling_slope > 0:
        yield (
            f"The bars of a series that is sampled every 2 minutes or more often are higher by "
            f"{flow.policy.sampling_slope:g} for each tenfold of {unit} beyond one in 5 minutes."
        )
    if alert.habituation > 0:
        yield (
            f"A series with A past alerts at a level has to show {alert.habituation:g} * ln(1 + A) more; they count "
            f"from its {unit[:-1]} {alert.habituation_from:,} on, and half after {alert.habituation_half_life:,g} more."
        )


def _judged_alone(part: PlacedPart) -> str:
    """Name a part that alerts by itself; scores of one detector do so together."""
    return part.spec.title if part.spec.facets else part.name


def _rarity(bar: float, combine: CombinationOptions, unit: str) -> str:
    """Say how often noise alone gets there: evidence e of one part means a tail probability of 10^-(e + soft)."""
    parts = math.ceil(bar / combine.cap)
    if parts > 1:
        return f"at least {parts} parts at once."
    per_million = 1e6 * 10 ** -(bar + combine.soft_threshold)
    return f"noise takes one part there in about {per_million:,.3g} of a million {unit}."


def _outputs(flow: FlowSpec) -> Iterator[str]:
    output = flow.output
    yield f"Alerts go to {_place(output.alerts)}."
    yield f"Rejected records {_goes_to(output.dead_letters)}."
    limits = flow.limits.rejected
    if limits is None:
        yield "However many are rejected, the flow goes on."
    else:
        yield (
            f"The flow stops when of one input partition more than {limits.most:,} of {limits.of:,} records are "
            f"rejected, {limits.run:,} in a row, or {limits.run_at_start:,} before any is accepted."
        )
    if flow.window is not None:
        yield f"Late records {_goes_to(output.late)}."
    if output.outcomes is not None:
        what = "records" if flow.window is None else "records and windows"
        which = f"all {what}" if output.outcomes_of == "all" else f"{what} that are not normal"
        yield f"Outcomes of {which} go to {_place(output.outcomes)}."
    if flow.metrics.listen:
        yield f"Metrics for Prometheus are served at http://{flow.metrics.listen}/metrics."


def _goes_to(sink: SinkSpec | None) -> str:
    return "are counted only" if sink is None else f"go to {_place(sink)}"


def _place(sink: SinkSpec) -> str:
    match sink:
        case KafkaSink():
            return f"topic {sink.topic} of Kafka at {sink.bootstrap}"
        case FileSink():
            return f"file {sink.path}"
        case TerminalSink():
            return "the terminal"
        case MemorySink():
            return f"topic {sink.topic} of the in-memory broker {sink.broker}"
        case _:
            assert_never(sink)


def _state(flow: FlowSpec) -> Iterator[str]:
    size = bytes_per_series(flow)
    rarely = "" if flow.checkpoint.share == 1 else f", or less often to spend at most {flow.checkpoint.share:.0%} on it"
    yield f"Saved in the state folder of the run every {duration_text(flow.checkpoint.every_ns)}{rarely}."
    further = (
        "a further one displaces the one whose last record is oldest" if flow.evicts else "further ones are rejected"
    )
    yield (
        f"{size:,} bytes a series; at most {flow.limits.series:,} series in each input partition "
        f"({size * flow.limits.series / 1e9:,.3g} GB), {further}."
    )
    if flow.limits.idle_ns is not None:
        idle = duration_text(flow.limits.idle_ns)
        yield f"A series is forgotten when its partition has gone on for {idle} without it."


def bytes_per_series(flow: FlowSpec) -> int:
    """Return the memory of one series at the limit, without its key and without models of other libraries [bytes]."""
    guards = sum(isinstance(part.spec, NativePart) and part.spec.guard is not None for part in flow.parts)
    own = [part.own_channel for part in flow.parts if part.own_channel is not None and part.has_state]
    policies = [flow.policy, *(channel.policy for channel in own)]
    keeps_interval = any(policy.sampling_slope > 0 for policy in policies)
    series = series_dtype(guards, 1 + len(own), keeps_interval=keeps_interval).itemsize
    size = INDEX_BYTES + series + sum(bytes_of_part(part) for part in flow.parts)
    return size if flow.window is None else size + flow.window.plan.bytes_per_series(len(flow.record.values))
