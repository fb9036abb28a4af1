"""What a flow will do, in plain sentences."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final, assert_never

from pynomaly.application.spec.detect import AdaptedPart, NativePart, PartSpec, PlacedPart, PyodPart
from pynomaly.application.spec.duration import duration_text
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.sink import FileSink, KafkaSink, MemorySink, SinkSpec, TerminalSink
from pynomaly.application.spec.source import DatasetSource, FileSource, KafkaSource, MemorySource, SourceSpec
from pynomaly.domain.calibration import calibrator_layout
from pynomaly.domain.decision import series_dtype

_MOST_NAMED: Final = 8
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


def _input(flow: FlowSpec) -> Iterator[str]:
    record, window = flow.record, flow.window
    yield _origin(flow.source)
    yield f"Time is `{record.time.field}`, {_TIME_FORMATS[record.time.format]}; values are {_named(record.values)}."
    if record.series_from == "message_key":
        yield "Every message key is a series of its own."
    elif record.series:
        yield f"Every value of {_named(record.series)} is a series of its own."
    else:
        yield "Every input partition or file is one series."
    if window is not None:
        size, step, lateness = (duration_text(ns) for ns in (window.size_ns, window.step_ns, window.lateness_ns))
        yield f"Detectors see {_named(window.aggregates)} over {size} of event time, every {step}, not single records."
        yield f"A window closes when a record of its stream is {lateness} past its end; records after that are late."


def _origin(source: SourceSpec) -> str:
    match source:
        case KafkaSource():
            return f"Reads topic {source.topic} of Kafka at {source.bootstrap}, from the {source.start} record on."
        case FileSource():
            after = "then waits for more" if source.follow else "then ends"
            return f"Reads {source.path} to the end, {after}; every file is a stream of its own."
        case DatasetSource():
            return f"Reads the bundled dataset {source.name}, then ends."
        case MemorySource():
            return f"Reads topic {source.topic} of the in-memory broker {source.broker}."
        case _:
            assert_never(source)


def _detectors(flow: FlowSpec) -> Iterator[str]:
    for entry, parts in groupby(flow.parts, key=lambda part: part.entry):
        placed = list(parts)
        spec, fields = flow.detectors[entry], tuple(chain.from_iterable(part.fields for part in placed))
        seen = "one by one" if len(placed) > 1 else "together" if len(fields) > 1 else ""
        yield f"{spec.title} looks at {_named(fields)} {seen}".rstrip() + f": {_nature(spec)}"
        yield f"  {_memory(placed)}"


def _nature(spec: PartSpec) -> str:
    if isinstance(spec, NativePart):
        text = " ".join(inspect.cleandoc(spec.native.options.__doc__ or "").split())
        summary, cost = text.partition(". ")[0], re.search(r"Cost [^:.,]+", text)
        return f"{summary[:1].lower()}{summary[1:]}." + (f" {cost[0]}." if cost else "")
    if isinstance(spec, PyodPart):
        every = (
            f"fitted on the last {spec.window:,} records of each {spec.group_by}, every {spec.refit_every:,} records"
        )
        return f"PyOD's {spec.detects_with}, {every}. Scored in Python: far slower than a native detector."
    return f"River's {spec.detects_with}, one model a series. Scored in Python: 2 to 40 us a record."


def _memory(parts: list[PlacedPart]) -> str:
    spec, size = parts[0].spec, sum(_bytes_of(part) for part in parts)
    models = " besides its models" if isinstance(spec, AdaptedPart) else ""
    warm_up = f"; knows severities after {spec.calibration.warm_up:,} scores" if _is_calibrated(spec) else ""
    return f"{size:,} bytes a series{models}{warm_up}."


def _bytes_of(part: PlacedPart) -> int:
    spec, size = part.spec, 0
    if isinstance(spec, NativePart):
        size = spec.native.layout(spec.options, len(part.fields)).bytes_per_series
    return size + calibrator_layout(spec.calibration).bytes_per_series if _is_calibrated(spec) else size


def _is_calibrated(spec: PartSpec) -> bool:
    return not isinstance(spec, NativePart) or spec.native.scale == "raw"


def _alerts(flow: FlowSpec) -> Iterator[str]:
    combine, persistence = flow.combine, flow.persistence
    count = len(flow.parts)
    yield (
        f"A part adds its severity above {combine.soft_threshold:g} to the evidence, at most {combine.cap:g}; "
        f"{count} {'part reaches' if count == 1 else 'parts reach'} {count * combine.cap:g}."
    )
    for level, bar in flow.levels.items():
        yield f"{level.label} from evidence {bar:g}: {_rarity(bar, combine.soft_threshold, combine.cap)}"
    if persistence.of > 1:
        yield f"Only when {persistence.hits} of a series' last {persistence.of} records reach the level."
    yield (
        f"After an alert the bar of its level is {flow.alert.bump:g} higher and loses half of that in "
        f"{flow.alert.bump_half_life:g} records."
    )


def _rarity(bar: float, soft_threshold: float, cap: float) -> str:
    """Say how often noise alone gets there: evidence e of one part means a tail probability of 10^-(e + soft)."""
    parts = math.ceil(bar / cap)
    if parts > 1:
        return f"at least {parts} parts at once."
    per_million = 1e6 * 10 ** -(bar + soft_threshold)
    return f"noise takes one part there in about {per_million:,.3g} of a million records."


def _outputs(flow: FlowSpec) -> Iterator[str]:
    output = flow.output
    yield f"Alerts go to {_place(output.alerts)}."
    yield f"Rejected records {_goes_to(output.dead_letters)}."
    if flow.window is not None:
        yield f"Late records {_goes_to(output.late)}."
    if output.outcomes is not None:
        which = "all records" if output.outcomes_of == "all" else "records that are not normal"
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
    yield f"Saved in the state folder of the run every {duration_text(flow.checkpoint.every_ns)}."
    yield (
        f"{size:,} bytes a series; at most {flow.limits.series:,} series in each input partition "
        f"({size * flow.limits.series / 1e9:,.3g} GB), further ones are rejected."
    )


def bytes_per_series(flow: FlowSpec) -> int:
    """Return the memory of one series without its key and without models of other libraries [bytes]."""
    guards = sum(isinstance(part.spec, NativePart) and part.spec.guard is not None for part in flow.parts)
    size = series_dtype(guards).itemsize + sum(_bytes_of(part) for part in flow.parts)
    return size if flow.window is None else size + flow.window.plan.bytes_per_series(len(flow.record.values))


def _named(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
