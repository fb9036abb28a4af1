"""Alerts out of messages: what `pynomaly_connectors.codecs.cloudevents` writes, read back.

Both modes of CloudEvents are understood: attributes in headers (Kafka's binary mode), and all of it in the value
(structured mode, as a file holds it). The data must be JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

import orjson

from pynomaly.application.alert_reader import ReadEvent
from pynomaly.domain.error import BadRecordError
from pynomaly.domain.event import AnomalyDetected, PartContribution, WindowSpan
from pynomaly.domain.origin import Origin
from pynomaly.domain.outcome import Level
from pynomaly.domain.record import RawRecord, Stream
from pynomaly_connectors.codecs.cloudevents import JSON, TYPES
from pynomaly_connectors.codecs.iso8601 import iso_time_ns

_ANOMALY: Final = TYPES[AnomalyDetected]
_SOURCE: Final = "/pynomaly/flows/"
_LEVELS: Final = {level.label: level for level in Level}


def read_event(message: RawRecord) -> ReadEvent | None:
    """Return the id of an event, and the alert if it is one; None for a message that is no CloudEvent.

    The stream of an alert has no incarnation: that is in its id only.

    Raises
    ------
    BadRecordError
        When an alert is there that is not in JSON, or not of the shape of its type.
    """
    attributes = _binary(message)
    if attributes is None:
        attributes = _structured(message.value)
    if attributes is None:
        return None
    identity = str(attributes["id"])
    if attributes.get("type") != _ANOMALY:
        return ReadEvent(identity, None)
    content = str(attributes.get("datacontenttype", JSON.decode()))
    if content.partition(";")[0] != JSON.decode():
        raise BadRecordError(
            f"alert {identity} must be in {JSON.decode()} to be read here, was in {content}: read it with the serdes "
            "of its schema registry"
        )
    try:
        alert = _alert(identity, str(attributes["source"]), attributes["data"])
        origin = attributes.get("origin")
        return ReadEvent(identity, alert if origin is None else replace(alert, origin=Origin.parse(origin)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecordError(
            f"alert {identity} must have the shape of {_ANOMALY}, had not: {type(error).__name__}: {error}; another "
            "program writes under this type, or a newer pynomaly"
        ) from error


def _binary(message: RawRecord) -> dict[str, Any] | None:
    headers = dict(message.headers)
    if not (headers.get("ce_id") and headers.get("ce_type")):
        return None
    attributes: dict[str, Any] = {
        name.removeprefix("ce_"): (value or b"").decode(errors="replace")
        for name, value in headers.items()
        if name.startswith("ce_")
    }
    content = (headers.get("content-type") or JSON).decode(errors="replace")
    return {**attributes, "datacontenttype": content, "data": _json(message.value)}


def _structured(value: bytes | None) -> dict[str, Any] | None:
    event = _json(value)
    if isinstance(event, dict) and {"specversion", "id", "type", "source"} <= event.keys():
        return event
    return None


def _json(value: bytes | None) -> Any:
    try:
        return orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None


def _alert(identity: str, source: str, data: Mapping[str, Any]) -> AnomalyDetected:
    stream, window = data["stream"], data["window"]
    return AnomalyDetected(
        id=identity,
        flow=unquote(source.removeprefix(_SOURCE)),
        stream=Stream(stream["name"], stream["partition"]),
        offset=stream["offset"],
        series=data["series"],
        time_ns=_time_ns(data["time"]),
        level=_LEVELS[data["level"]],
        evidence=data["evidence"],
        bar=data["bar"],
        values=dict(data["values"]),
        expected=dict(data["expected"]),
        parts=tuple(_part(part) for part in data["parts"]),
        window=None if window is None else WindowSpan(_time_ns(window["start"]), _time_ns(window["end"])),
    )


def _part(part: Mapping[str, Any]) -> PartContribution:
    return PartContribution(
        part=part["part"],
        fields=tuple(part["fields"]),
        score=part["score"],
        severity=part["severity"],
        contribution=part["contribution"],
    )


def _time_ns(text: str) -> int:
    time_ns = iso_time_ns(text)
    if time_ns is None:
        raise ValueError(f"time must be ISO 8601, was {text!r}")
    return time_ns
