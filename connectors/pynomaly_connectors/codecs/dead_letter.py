"""Rejected records as messages and back: the bytes as they arrived, and headers that tell what happened.

The record's own headers stand first, as they arrived. Behind them stand ours, beginning with `__connect.errors.topic`:
a record that has been through the dead letters of somebody else may bring headers of the same names, so the last block
is the one that counts. The names of Kafka Connect are those of its `DeadLetterQueueReporter` (KIP-298); of them only
the stack trace is left out, for there is none: bad input is no exception here. Equal letters are equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from pynomaly.application.dead_letter import DeadLetter, Place
from pynomaly.application.ports import Message
from pynomaly.domain.error import BadRecordError
from pynomaly.domain.event import RecordRejected
from pynomaly.domain.origin import Origin
from pynomaly.domain.outcome import EXPLANATIONS, Reason
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.codecs.kept_record import kept_record

Told = tuple[tuple[str, bytes], ...]

_CONNECT: Final = "__connect.errors."
_FIRST: Final = f"{_CONNECT}topic"
_PARTITION: Final = f"{_CONNECT}partition"
_OFFSET: Final = f"{_CONNECT}offset"
_MESSAGE: Final = f"{_CONNECT}exception.message"
_INPUT: Final = "pynomaly.input"
_REMEMBERED: Final = 1_024
_ERROR: Final = f"{BadRecordError.__module__}.{BadRecordError.__qualname__}"
#: Reasons that are not found by decoding: Connect's stage for them is the one in which its sink gets a record.
_BEHIND_DECODER: Final = {Reason.TIME_JUMP, Reason.SERIES_LIMIT}


def dead_letter_message(event: RecordRejected) -> Message:
    """Keep key, value and headers as they arrived, so that the record can be produced again.

    More than a message can take is cut (see `kept_record`), and two headers of ours tell it.
    A tombstone's value becomes empty: a null would delete in a compacted topic; the reason tells them apart.
    """
    where, why = _told_alike(event.flow, event.stream.name, event.stream.partition, int(event.reason))
    raw, marks = kept_record(event.raw, event.reason)
    identity = event.id.encode()
    own = (
        *where,
        (_OFFSET, b"%d" % event.offset),
        *why,
        ("pynomaly.id", identity),
        ("ce_id", identity),
        *((name, value.encode()) for name, value in marks.items()),
        *(() if event.origin is None else ((_INPUT, str(event.origin).encode()),)),
    )
    return Message(raw.value or b"", raw.key, raw.headers + own)


@lru_cache(_REMEMBERED)
def _told_alike(flow: str, topic: str, partition: int, code: int) -> tuple[Told, Told]:
    """Return what stands before and behind the offset, the same for many letters: most of the cost of one."""
    reason = Reason(code)
    behind = reason in _BEHIND_DECODER
    where = {_FIRST: topic, _PARTITION: str(partition)}
    why = {
        f"{_CONNECT}connector.name": flow,
        f"{_CONNECT}task.id": str(partition),
        f"{_CONNECT}stage": "TASK_PUT" if behind else "VALUE_CONVERTER",
        f"{_CONNECT}class.name": "pynomaly.application.engine.Engine" if behind else "pynomaly_connectors.codecs",
        f"{_CONNECT}exception.class.name": _ERROR,
        _MESSAGE: EXPLANATIONS[reason],
        "pynomaly.reason": reason.label,
        "pynomaly.flow": flow,
    }
    first, second = (tuple((name, value.encode()) for name, value in part.items()) for part in (where, why))
    return first, second


def read_dead_letter(message: RawRecord, written_ns: int | None = None) -> DeadLetter | None:
    """Return the letter that a message is; None when it is none of ours.

    Parameters
    ----------
    message
        Key, value and headers as `dead_letter_message` made them.
    written_ns
        When its store took it, UTC epoch nanoseconds.
    """
    names = [name for name, _ in message.headers]
    if _FIRST not in names:
        return None
    first = len(names) - 1 - names[::-1].index(_FIRST)
    own = {name: (value or b"").decode(errors="replace") for name, value in message.headers[first:]}
    try:
        return _letter(message, own, message.headers[:first], written_ns)
    except (KeyError, ValueError):
        return None


def _letter(
    message: RawRecord,
    own: Mapping[str, str],
    headers: tuple[tuple[str, bytes | None], ...],
    written_ns: int | None,
) -> DeadLetter:
    value = message.value or b""
    reason = own["pynomaly.reason"]
    return DeadLetter(
        id=own["ce_id"],  # in letters of every version
        flow=own["pynomaly.flow"],
        reason=reason,
        message=own[_MESSAGE],
        place=Place(own[_FIRST], int(own[_PARTITION]), int(own[_OFFSET])),
        raw=RawRecord(None if reason == Reason.NO_PAYLOAD.label else value, message.key, headers),
        truncated=tuple(filter(None, own.get("pynomaly.truncated", "").split(","))),
        value_bytes=int(own.get("pynomaly.value_bytes", len(value))),
        written_ns=written_ns,
        origin=None if _INPUT not in own else Origin.parse(own[_INPUT]),
    )
