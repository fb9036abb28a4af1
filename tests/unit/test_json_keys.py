"""The key of a JSON record's series: of fields, of the message, or of the partition."""

from __future__ import annotations

import pytest

from cached_kernels import SCAN
from pynomaly.domain.outcome import Reason
from pynomaly_connectors.codecs.choose import DecoderChoice, json_decoder
from unit.json_batches import STREAM, decode, raw_of, spec


def test_a_series_key_of_more_than_1024_bytes_is_refused(choice: DecoderChoice) -> None:
    """The limit is in bytes, not in characters."""
    long = '{"ts":1700000000123,"series":"%s","value":1}' % ("é" * 512 + "x")
    fits = '{"ts":1700000000123,"series":"%s","value":1}' % ("é" * 512)
    batch = decode(choice, spec(), long.encode(), fits.encode())
    assert batch.refusal.tolist() == [Reason.BAD_SERIES, 0]


def test_several_series_fields_are_joined_with_escapes(choice: DecoderChoice) -> None:
    """Different fields never make equal keys."""
    record = spec(series=("a", "b"))
    parts = [(b'"x"', b'"y"'), (b'"x|y"', b'"z"'), (b'"x"', b'"y|z"'), (b'"x\\\\"', b'"|"'), (b"7", b'"y"')]
    payloads = [b'{"ts":1700000000123,"a":%s,"b":%s,"value":1}' % part for part in parts]
    batch = decode(choice, record, *payloads)
    expected = [b"x|y", b"x\\|y|z", b"x|y\\|z", b"x\\\\|\\|", b"7|y"]
    assert [batch.key[row] for row in range(5)] == expected


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (b'"a":"x"', Reason.MISSING_FIELD),
        (b'"a":"x","b":""', Reason.BAD_SERIES),
        (b'"a":"%s","b":"%s"' % (b"x" * 500, b"|" * 300), Reason.BAD_SERIES),
        (b'"a":"%s","b":"%s"' % (b"x" * 500, b"|" * 261 + b"yy"), Reason.BAD_SERIES),
        (b'"a":"%s","b":"%s"' % (b"x" * 500, b"|" * 261 + b"y"), Reason.ACCEPTED),
    ],
)
def test_a_key_of_several_fields_keeps_the_rules_of_one(choice: DecoderChoice, parts: bytes, reason: Reason) -> None:
    """Each field must be there, and the whole key with its escapes must fit into 1024 bytes."""
    record = spec(series=("a", "b"))
    assert decode(choice, record, b'{"ts":1700000000123,%s,"value":1}' % parts).refusal.tolist() == [reason]


def test_without_series_fields_a_partition_is_one_series(choice: DecoderChoice) -> None:
    """The key is the number of the partition."""
    batch = decode(choice, spec(series=()), b'{"ts":1700000000123,"value":1}', b'{"ts":1700000000123,"value":2}')
    assert [batch.key[0], batch.key[1]] == [b"7", b"7"]


def test_the_message_key_can_name_the_series(choice: DecoderChoice) -> None:
    """It must be there, UTF-8, and of 1 to 1024 bytes."""
    record = spec(series=(), series_from="message_key")
    keys = [b"pump", None, b"", b"\xff", "Köln".encode(), b"x" * 1024, b"x" * 1025]
    good = b'{"ts":1700000000123,"value":1}'
    batch = json_decoder(record, choice, SCAN).decode(STREAM, raw_of(*[good] * 7, keys=keys))
    bad = Reason.BAD_SERIES
    assert batch.refusal.tolist() == [0, bad, bad, bad, 0, 0, bad]
    assert [batch.key[row] for row in (0, 1, 4, 5)] == [b"pump", b"", "Köln".encode(), b"x" * 1024]


def test_without_message_keys_none_can_name_a_series(choice: DecoderChoice) -> None:
    """An input that has no keys refuses its records rather than making one series of them."""
    record = spec(series=(), series_from="message_key")
    assert decode(choice, record, b'{"ts":1700000000123,"value":1}').refusal.tolist() == [Reason.BAD_SERIES]
