"""An explanation for programs; what is not known, or has no end, is null."""

from __future__ import annotations

from base64 import b64encode
from math import isfinite

from pynomaly.application.explanation import Details, Explanation, FieldExplanation, PartExplanation
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import NoTime
from pynomaly.domain.outcome import EXPLANATIONS
from pynomaly.domain.record import RawRecord
from pynomaly.domain.trace import ChannelTrace, Interval, LevelTrace, PartTrace
from pynomaly.presentation.cli.explanation_report import sentences
from pynomaly_connectors.codecs.iso8601 import rfc3339

Json = dict[str, object]


def explanation_as_json(explanation: Explanation, spec: FlowSpec) -> Json:
    """Return all of it but the surroundings."""
    place, verdict, details = explanation.place, explanation.verdict, explanation.details
    window = place.window
    has_time = place.time_ns is not None and not isinstance(spec.record.time, NoTime)
    return {
        "flow": spec.flow,
        "stream": place.stream.name,
        "partition": place.stream.partition,
        "offset": place.offset,
        "series": place.series,
        "time": rfc3339(place.time_ns or 0) if has_time else None,
        "window": None if window is None else {"start": rfc3339(window.start_ns), "end": rfc3339(window.end_ns)},
        "outcome": verdict.reason.outcome.label,
        "reason": verdict.reason.label,
        "meaning": EXPLANATIONS[verdict.reason],
        "level": verdict.level.label,
        "evidence": _known(verdict.evidence),
        "bar": _known(verdict.bar),
        **({} if details is None else _details(details, spec)),
        "sentences": list(sentences(explanation)),
        "raw": None if explanation.raw is None else _raw(explanation.raw),
    }


def _details(details: Details, spec: FlowSpec) -> Json:
    trace = details.trace
    return {
        "records_before": trace.records - 1,
        "fired": [part.part for part in trace.fired],
        "fields": {field.name: _field(field) for field in details.fields},
        "joint_contribution": details.joint_contribution,
        "parts": [_part(part, more, spec) for part, more in zip(trace.parts, details.parts, strict=True)],
        "channels": [_channel(channel) for channel in trace.channels],
    }


def _field(field: FieldExplanation) -> Json:
    past = field.past
    return {
        "value": field.value,
        "expected": field.expected,
        "contribution": field.contribution,
        "unchanged": _interval(field.unchanged),
        "past": None
        if past is None
        else {
            "records": past.records,
            "lowest": past.lowest,
            "highest": past.highest,
            "nearest": past.nearest,
            "nearest_records_ago": past.nearest_records_ago,
        },
    }


def _part(part: PartTrace, more: PartExplanation, spec: FlowSpec) -> Json:
    return {
        "part": part.part,
        "detector": part.detector,
        "fields": [spec.fields[column] for column in part.fields],
        "score": _known(part.score),
        "severity": _known(part.severity),
        "contribution": part.contribution,
        "held_back": None if part.held_back is None else part.held_back.label,
        "would_have_added": part.would_have_added,
        "expected": _known(part.expected),
        "ordinary": _interval(more.ordinary),
        "shares": more.shares,
        "kept_from_learning": part.kept_from_learning,
        "channel": part.channel,
    }


def _channel(channel: ChannelTrace) -> Json:
    return {
        "part": channel.part,
        "reason": None if channel.reason is None else channel.reason.label,
        "level": channel.level.label,
        "evidence": _known(channel.evidence),
        "held_back": channel.held_back,
        "bar": _known(channel.bar),
        "levels": [_level(level) for level in channel.levels],
    }


def _level(level: LevelTrace) -> Json:
    return {
        "level": level.level.label,
        "threshold": level.threshold,
        "sampling": level.sampling,
        "habituation": level.habituation,
        "alerts_remembered": level.alerts,
        "bump": level.bump,
        "records_since_alert": level.since_alert,
        "bump_gone_after_records": level.bump_gone_after,
        "bar": level.bar,
        "missing": _known(level.missing),
        "hits": level.hits,
        "needed_hits": level.needed_hits,
        "of": level.of,
        "fires": level.fires,
    }


def _interval(interval: Interval | None) -> Json | None:
    return None if interval is None else {"low": _known(interval.low), "high": _known(interval.high)}


def _raw(raw: RawRecord) -> Json:
    return {
        "key": _base64(raw.key),
        "value": _base64(raw.value),
        "headers": [[name, _base64(value)] for name, value in raw.headers],
    }


def _base64(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


def _known(number: float) -> float | None:
    return number if isfinite(number) else None
