"""Rules between the sections of a flow. Each is checked as soon as the sections that it compares are sound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from pynomaly.application.spec.alert import AlertSpec
from pynomaly.application.spec.bootstrap_hosts import hosts
from pynomaly.application.spec.complaint import Complaint, Path, one_of
from pynomaly.application.spec.dataset import DATASET_RECORDS
from pynomaly.application.spec.dedupe import DedupeSpec
from pynomaly.application.spec.detect import PartSpec, PlacedPart, place_parts
from pynomaly.application.spec.duration import duration_text
from pynomaly.application.spec.file_path import may_match, plain_path
from pynomaly.application.spec.limits import LimitsSpec
from pynomaly.application.spec.record import NoTime, RecordSpec
from pynomaly.application.spec.security import rule_of_plaintext
from pynomaly.application.spec.sink import FileSink, KafkaSink, MemorySink, OutputSpec, SinkSpec
from pynomaly.application.spec.source import (
    DatasetSource,
    FileSource,
    KafkaConnection,
    KafkaSource,
    MemorySource,
    SourceSpec,
)
from pynomaly.application.spec.window import SlidingWindow, TumblingWindow
from pynomaly.domain.alert_policy import CombinationOptions
from pynomaly.domain.detectors.auto import AlertDefaults
from pynomaly.domain.detectors.seasonal_slot import SEASONAL_SLOT

#: Each part costs a calibrator (1 KB) a series and a step of every record.
MOST_PARTS: Final = 1_000

Detectors = tuple[PartSpec, ...]
Entries = Mapping[int, PartSpec]
Window = TumblingWindow | SlidingWindow | None


def broken_rules(sections: Mapping[str, object]) -> list[Complaint]:
    """Return what is wrong between the given sections; a rule that needs one which is not there is skipped.

    Parameters
    ----------
    sections
        By the names of their keys; `entries` are the sound ones of `detectors` by their numbers, where some are not.
    """
    given = {**sections}
    if "detectors" in given:
        given["entries"] = dict(enumerate(cast("Detectors", given["detectors"])))
    complaints: list[Complaint] = []
    for rule, names in _RULES:
        if all(name in given for name in names):
            complaints.extend(rule(*(given[name] for name in names)))
    return complaints


def scored_fields(record: RecordSpec, window: Window) -> tuple[str, ...]:
    """Name what detectors see: the value fields, or with a window their aggregates."""
    return record.values if window is None else window.plan.columns(record.values)


def parts_of(detectors: Detectors, record: RecordSpec, window: Window) -> tuple[PlacedPart, ...]:
    """Return the parts of a flow in the order in which their severities stand in an outcome."""
    has_clock = not isinstance(record.time, NoTime)
    return place_parts(detectors, scored_fields(record, window), has_clock=has_clock)


def reach(parts: Sequence[PlacedPart], combine: CombinationOptions) -> float:
    """Return the highest evidence of the parts: together, or without a bound of a part that alerts by itself."""
    if any(part.own_channel is not None for part in parts):
        return math.inf
    return len(parts) * combine.cap


def alert_defaults(detectors: Detectors, record: RecordSpec, window: Window) -> AlertDefaults:
    """Return the alert levels that suit the detectors: those of the first entry that asks for other than the usual."""
    has_clock = not isinstance(record.time, NoTime)
    known = scored_fields(record, window)
    asked = (spec.alert_defaults(spec.field_count(known), has_clock=has_clock) for spec in detectors)
    return next((defaults for defaults in asked if defaults != AlertDefaults()), AlertDefaults())


def _record_is_the_datasets(source: SourceSpec, record: RecordSpec) -> Iterator[Complaint]:
    if isinstance(source, DatasetSource) and record != DATASET_RECORDS[source.name]:
        yield Complaint(("record",), "must be left out: the dataset brings its own")


def _only_messages_have_more(source: SourceSpec, record: RecordSpec) -> Iterator[Complaint]:
    if isinstance(source, KafkaSource | MemorySource):
        return
    if record.series_from == "message_key":
        yield Complaint(("record", "series_from"), "must be fields: only messages have a key", record.series_from)
    if record.time.from_message:
        yield Complaint(("record", "time", "from"), "must be field: only messages have a timestamp", record.time.origin)
    if record.headers:
        yield Complaint(("record", "headers"), "must be left out: only messages have headers")


def _dataset_has_no_ids(source: SourceSpec, dedupe: DedupeSpec | None) -> Iterator[Complaint]:
    if isinstance(source, DatasetSource) and dedupe is not None:
        yield Complaint(("dedupe",), "must be left out: the records of a dataset have no ids")


def _clock_is_there(record: RecordSpec, entries: Entries) -> Iterator[Complaint]:
    for entry, part in entries.items():
        if isinstance(record.time, NoTime) and part.detects_with == SEASONAL_SLOT.name:
            rule = "must be one that needs no time of day while no column of the time is given"
            yield Complaint(("detectors", entry, "detector"), rule, part.detects_with)


def _fields_exist(record: RecordSpec, window: Window, entries: Entries) -> Iterator[Complaint]:
    known = scored_fields(record, window)
    for entry, part in entries.items():
        for position, name in enumerate(part.fields or ()):
            if name not in known:
                yield Complaint(("detectors", entry, "fields", position), one_of(name, known), name)


def _parts_are_few(record: RecordSpec, window: Window, detectors: Detectors) -> Iterator[Complaint]:
    count = len(parts_of(detectors, record, window))
    if count > MOST_PARTS:
        yield Complaint(("detectors",), f"must make at most {MOST_PARTS} parts (entries times their fields)", count)


def _names_are_unique(entries: Entries) -> Iterator[Complaint]:
    first: dict[str, int] = {}
    for entry, part in entries.items():
        other = first.setdefault(part.title, entry)
        if other != entry:
            yield Complaint(("detectors", entry, "as"), f"must be a name of its own: detectors[{other}] has the same")


def _levels_are_reachable(
    record: RecordSpec, window: Window, detectors: Detectors, combine: CombinationOptions, alert: AlertSpec
) -> Iterator[Complaint]:
    highest = reach(parts_of(detectors, record, window), combine)
    levels = alert.bars(highest, alert_defaults(detectors, record, window))
    if not levels:
        yield Complaint(("alert", "levels"), f"must be given: the parts reach {highest:g} only, less than any default")
    for level, bar in levels.items():
        if bar > highest:
            rule = f"must be at most {highest:g}, the highest evidence of these detectors (parts times combine.cap)"
            yield Complaint(("alert", "levels", level.label), rule, bar)


def _windows_keep_their_series(window: Window, limits: LimitsSpec) -> Iterator[Complaint]:
    if window is None:
        return
    if limits.at_limit == "evict":
        rule = "must be reject with `window`: the series that is displaced would lose its open windows"
        yield Complaint(("limits", "at_limit"), rule, limits.at_limit)
    least_ns = window.size_ns + window.lateness_ns
    if limits.idle_ns is not None and limits.idle_ns < least_ns:
        rule = f"must be at least {duration_text(least_ns)}, `window.size` and `window.lateness` together"
        yield Complaint(("limits", "idle"), rule, duration_text(limits.idle_ns))


def _records_have_schemas(source: SourceSpec) -> Iterator[Complaint]:
    if not isinstance(source, KafkaSource):
        return
    yield from _registry_fits(("source",), source)
    registry = source.schema_registry
    if registry is not None and registry.reader_version is not None and source.format != "avro":
        path = ("source", "schema_registry", "reader_version")
        yield Complaint(path, "must be left out: only Avro records can be read as another version")


def _repartition_has_a_series(source: SourceSpec, record: RecordSpec) -> Iterator[Complaint]:
    if not isinstance(source, KafkaSource) or source.by_series is None:
        return
    if not record.series and record.series_from == "fields":
        yield Complaint(("record", "series"), "must be given with `keying: repartition`: it says what belongs together")


def _repartition_fits(source: SourceSpec) -> Iterator[Complaint]:
    if not isinstance(source, KafkaSource):
        return
    if source.by_series is None:
        if source.repartition is not None:
            yield Complaint(("source", "repartition"), "must be left out unless `keying` is repartition")
        return
    if source.by_series == source.topic:
        yield Complaint(("source", "repartition", "topic"), "must differ from the input", source.by_series)
    if source.new_partitions == "read":
        rule = (
            "must be left out with `keying: repartition`: new partitions of the input are always read, for no series "
            "lives there; the topic by series keeps the partitions that it has"
        )
        yield Complaint(("source", "new_partitions"), rule, source.new_partitions)


def _schemas_have_payload_only(source: SourceSpec, record: RecordSpec) -> Iterator[Complaint]:
    if not isinstance(source, KafkaSource) or source.format == "json":
        return
    if record.time.from_message:
        yield Complaint(("record", "time", "from"), "must be field while the format is not json", record.time.origin)
    if record.headers:
        yield Complaint(("record", "headers"), "must be left out while the format is not json")


def _events_have_schemas(output: OutputSpec) -> Iterator[Complaint]:
    for name, sink in _sinks(output):
        if not isinstance(sink, KafkaSink):
            continue
        if name == "dead_letters":
            for key, only in (("format", "json"), ("mode", "binary")):
                if getattr(sink, key) != only:
                    yield Complaint(("output", name, key), f"must be {only}: dead letters are the bytes that came")
        elif sink.mode == "structured" and sink.format != "json":
            yield Complaint(("output", name, "mode"), f"must be binary while `format` is {sink.format}", sink.mode)
        yield from _registry_fits(("output", name), sink)


def _registry_fits(path: tuple[str, ...], section: KafkaSource | KafkaSink) -> Iterator[Complaint]:
    if section.format == "json" and section.schema_registry is not None:
        yield Complaint((*path, "schema_registry"), "must be left out while `format` is json: it has no schemas")
    if section.format != "json" and section.schema_registry is None:
        yield Complaint((*path, "schema_registry"), f"must be given while `format` is {section.format}")


def _late_needs_a_window(window: Window, output: OutputSpec) -> Iterator[Complaint]:
    if window is None and output.late is not None:
        yield Complaint(("output", "late"), "must be left out without `window`: nothing is late")


def _outputs_are_apart(output: OutputSpec) -> Iterator[Complaint]:
    first: dict[object, str] = {}
    for name, sink in _sinks(output):
        place = _place(sink)
        other = first.setdefault(place, name) if place is not None else name
        if other != name:
            yield Complaint(("output", name), f"must go to another place than output.{other}")


def _dead_letters_keep_their_keys(output: OutputSpec) -> Iterator[Complaint]:
    if isinstance(output.dead_letters, KafkaSink) and output.dead_letters.key != "series":
        rule = "must be left out: a dead letter keeps the key of its record"
        yield Complaint(("output", "dead_letters", "key"), rule)


def _input_is_no_output(source: SourceSpec, output: OutputSpec) -> Iterator[Complaint]:
    for name, sink in _sinks(output):
        if _reads(source, sink):
            path = ("output", name, "path" if isinstance(sink, FileSink) else "topic")
            yield Complaint(path, f"must differ from the input, or the flow reads its own {name.replace('_', ' ')}")


def _input_is_kept_secret(source: SourceSpec) -> Iterator[Complaint]:
    if isinstance(source, KafkaSource):
        yield from _kept_secret(("source",), source)


def _outputs_are_kept_secret(output: OutputSpec) -> Iterator[Complaint]:
    for name, sink in _sinks(output):
        if isinstance(sink, KafkaSink):
            yield from _kept_secret(("output", name), sink)


def _kept_secret(path: Path, connection: KafkaConnection) -> Iterator[Complaint]:
    rule = rule_of_plaintext(connection.security, hosts(connection.bootstrap))
    if rule is not None:
        yield Complaint((*path, "security", "allow_plaintext"), rule)


def _sinks(output: OutputSpec) -> Iterator[tuple[str, SinkSpec]]:
    named = {"alerts": output.alerts, "dead_letters": output.dead_letters, "late": output.late}
    named["outcomes"] = output.outcomes
    for name, sink in named.items():
        if sink is not None:
            yield name, sink


def _place(sink: SinkSpec) -> object:
    match sink:
        case KafkaSink():
            return "kafka", sink.bootstrap, sink.topic
        case MemorySink():
            return "memory", sink.broker, sink.topic
        case FileSink():
            return "file", plain_path(sink.path)
        case _:
            return None  # a terminal takes lines of any kind


def _reads(source: SourceSpec, sink: SinkSpec) -> bool:
    match source, sink:
        case KafkaSource(), KafkaSink():
            same_cluster = set(source.bootstrap.split(",")) & set(sink.bootstrap.split(","))
            return sink.topic in (source.topic, source.by_series) and bool(same_cluster)
        case MemorySource(), MemorySink():
            return (source.broker, source.topic) == (sink.broker, sink.topic)
        case FileSource(), FileSink():
            return may_match(sink.path, source.path)
        case _:
            return False


#: Rules with the sections that they compare, in the order in which they are reported.
_RULES: Final[tuple[tuple[Callable[..., Iterable[Complaint]], tuple[str, ...]], ...]] = (
    (_record_is_the_datasets, ("source", "record")),
    (_only_messages_have_more, ("source", "record")),
    (_dataset_has_no_ids, ("source", "dedupe")),
    (_records_have_schemas, ("source",)),
    (_schemas_have_payload_only, ("source", "record")),
    (_repartition_fits, ("source",)),
    (_repartition_has_a_series, ("source", "record")),
    (_clock_is_there, ("record", "entries")),
    (_fields_exist, ("record", "window", "entries")),
    (_parts_are_few, ("record", "window", "detectors")),
    (_names_are_unique, ("entries",)),
    (_levels_are_reachable, ("record", "window", "detectors", "combine", "alert")),
    (_windows_keep_their_series, ("window", "limits")),
    (_late_needs_a_window, ("window", "output")),
    (_events_have_schemas, ("output",)),
    (_outputs_are_apart, ("output",)),
    (_dead_letters_keep_their_keys, ("output",)),
    (_input_is_no_output, ("source", "output")),
    (_input_is_kept_secret, ("source",)),
    (_outputs_are_kept_secret, ("output",)),
)
