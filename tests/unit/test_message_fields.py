"""Fields beside the payload, and records without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Outcome, Reason
from pynomaly.domain.record import Int64Column, RecordBatch, Stream
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.json_fast import FastJsonDecoder
from pynomaly_connectors.codecs.json_portable import PortableJsonDecoder
from pynomaly_connectors.codecs.json_scanner import scan
from pynomaly_connectors.codecs.payload import Headers, RawBatch
from pynomaly_connectors.codecs.tombstones import with_tombstones

TIMED = {"time": {"from": "message_timestamp", "latest": "2100-01-01T00:00:00Z"}, "series": ["s"], "values": ["v"]}
HEADED = {"time": {"field": "t", "format": "ms"}, "series": ["s", "a.b"], "values": ["v", "w"]}
NOW_MS = 1_700_000_000_123


def decoded(
    record: dict[str, object],
    payloads: Sequence[bytes | None],
    headers: Sequence[Headers] = (),
    times_ms: Sequence[int] | None = None,
    choice: Literal["fast", "portable", "auto"] = "portable",
) -> RecordBatch:
    """Return what a decoder makes of messages."""

    def timestamps() -> Int64Column:
        return np.array(times_ms, np.int64)

    raw = RawBatch.of(
        payloads,
        np.arange(len(payloads)),
        headers=lambda row: headers[row] if headers else (),
        timestamps=None if times_ms is None else timestamps,
    )
    kernel = KernelLibrary.default().entry(scan)
    return json_decoder(RecordSpec.model_validate(record), choice, kernel).decode(Stream("x"), raw)


@pytest.mark.parametrize("choice", ["fast", "portable"])
def test_the_timestamp_of_a_message_is_its_time(choice: Literal["fast", "portable"]) -> None:
    """A field of that name is a field like others; what is no plausible time is refused as any other would be."""
    payload = b'{"s": "a", "v": 1, "t": 5}'
    times_ms = [NOW_MS, -1, 0, 4_102_444_799_999, 4_102_444_800_000, 2**63 - 1, -(2**63), NOW_MS]
    batch = decoded(TIMED, [*[payload] * 7, b'{"s": "a"}'], times_ms=times_ms, choice=choice)
    out_of_range, missing = Reason.TIME_OUT_OF_RANGE, Reason.MISSING_FIELD
    refused = [0, missing, out_of_range, 0, out_of_range, out_of_range, missing, missing]
    assert batch.refusal.tolist() == refused
    assert batch.time_ns.tolist() == [NOW_MS * 10**6, 0, 0, 4_102_444_799_999 * 10**6, 0, 0, 0, 0]


@pytest.mark.parametrize("choice", ["fast", "portable"])
def test_an_input_without_timestamps_has_no_time(choice: Literal["fast", "portable"]) -> None:
    """Nothing stands for it."""
    assert decoded(TIMED, [b'{"s": "a", "v": 1}'], choice=choice).refusal.tolist() == [Reason.MISSING_FIELD]


def test_the_reason_of_the_payload_comes_before_that_of_the_time() -> None:
    """The precedence is that of fields in the payload."""
    for choice in ("fast", "portable"):
        batch = decoded(TIMED, [b"{", None, b'{"v": "x"}'], times_ms=[-1, -1, NOW_MS], choice=choice)
        assert batch.refusal.tolist() == [Reason.MALFORMED, Reason.NO_PAYLOAD, Reason.MISSING_FIELD]


def test_headers_are_fields() -> None:
    """Time, a part of the key and values as text; a payload field of the name does not count, dots lead nowhere."""
    record = HEADED | {"headers": ["t", "a.b", "w"]}
    payload = b'{"t": 1, "s": "pump", "a": {"b": "no"}, "a.b": "no", "v": 2, "w": 3}'
    headers = [
        (("t", b"1700000000123"), ("a.b", "Köln".encode()), ("w", b"-1.5e2"), ("x", None)),
        (("t", b"1700000000123"), ("w", b"1"), ("w", b"2"), ("a.b", b"k|l")),
    ]
    batch = decoded(record, [payload] * 2, headers)
    assert batch.refusal.tolist() == [0, 0]
    assert batch.time_ns.tolist() == [NOW_MS * 10**6] * 2
    assert [batch.key[row].decode() for row in range(2)] == ["pump|Köln", "pump|k\\|l"]
    assert batch.values.tolist() == [[2.0, -150.0], [2.0, 2.0]]


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        ("t", b"", Reason.MISSING_FIELD),
        ("t", None, Reason.MISSING_FIELD),
        ("t", b"soon", Reason.BAD_TIME),
        ("t", b"\xff", Reason.BAD_TIME),
        ("t", b"9" * 19, Reason.TIME_OUT_OF_RANGE),
        ("s", b"", Reason.MISSING_FIELD),
        ("s", b"\xff\xfe", Reason.BAD_SERIES),
        ("s", b"k" * 1025, Reason.BAD_SERIES),
        ("v", b"", Reason.MISSING_FIELD),
        ("v", b"12 mm", Reason.NOT_A_NUMBER),
        ("v", b"\xff", Reason.NOT_A_NUMBER),
        ("v", b"nan", Reason.NOT_FINITE),
        ("v", b"1e400", Reason.NOT_FINITE),
    ],
)
def test_what_is_wrong_with_a_header(header: str, value: bytes | None, reason: Reason) -> None:
    """A header is text as a cell of CSV is; one that is empty or not there is missing."""
    record = {"time": {"field": "t", "format": "ms"}, "series": ["s"], "values": ["v"], "headers": ["t", "s", "v"]}
    good = {"t": b"1700000000000", "s": b"a", "v": b"1"}
    headers = tuple((good | {header: value}).items())
    assert decoded(record, [b"{}"], [headers]).refusal.tolist() == [reason]
    without = tuple(pair for pair in headers if pair[0] != header)
    assert decoded(record, [b"{}"], [without]).refusal.tolist() == [Reason.MISSING_FIELD]


def test_which_decoder_reads_what() -> None:
    """Timestamps do not slow a flow down; headers are read record by record."""
    assert isinstance(json_decoder(RecordSpec.model_validate(TIMED)), FastJsonDecoder)
    headed = RecordSpec.model_validate(HEADED | {"headers": ["w"]})
    assert isinstance(json_decoder(headed), PortableJsonDecoder)
    with pytest.raises(ConfigError, match=r"source\.decoder: must be 'auto' or 'portable' for fields in headers"):
        json_decoder(headed, "fast")


def test_ignored_tombstones_are_no_fault() -> None:
    """Only a record without payload is one: an empty payload is still broken."""
    spec = RecordSpec.model_validate({"time": {"field": "t", "format": "ms"}, "values": ["v"]})
    raw = RawBatch.of([None, b"", b'{"t": 1700000000000, "v": 1}'], np.arange(3))
    for policy, reason in (("reject", Reason.NO_PAYLOAD), ("ignore", Reason.TOMBSTONE)):
        decoder = with_tombstones(json_decoder(spec, "portable"), "ignore" if policy == "ignore" else "reject")
        assert decoder.decode(Stream("x"), raw).refusal.tolist() == [reason, Reason.MALFORMED, 0]
    assert Reason.NO_PAYLOAD.outcome is Outcome.REJECTED
    assert Reason.TOMBSTONE.outcome is Outcome.IGNORED
