"""Which decoder reads a JSON record: what the compiled one takes itself, and what it leaves to the portable one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cached_kernels import SCAN
from pynomaly.application.spec.record import RecordSpec, TimeSpec
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Reason
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.json_fast import FastJsonDecoder
from pynomaly_connectors.codecs.json_portable import PortableJsonDecoder
from pynomaly_connectors.codecs.number_scanner import quotient
from unit.json_batches import STREAM, raw_of, spec


def test_dots_go_into_nested_objects() -> None:
    """Nested fields are read by the portable decoder, which `auto` takes by itself."""
    record = RecordSpec(time=TimeSpec(field="meta.ts", format="ms"), series=("meta.id.name",), values=("data.v",))
    good = b'{"meta":{"ts":1700000000123,"id":{"name":"a"}},"data":{"v":1}}'
    flat = b'{"meta.ts":1700000000123,"meta.id.name":"a","data.v":1}'
    broken = b'{"meta":{"ts":1700000000123,"id":"name"},"data":{"v":1}}'
    decoder = json_decoder(record, "auto", SCAN)
    batch = decoder.decode(STREAM, raw_of(good, flat, broken))
    assert isinstance(decoder, PortableJsonDecoder)
    assert batch.refusal.tolist() == [0, Reason.MISSING_FIELD, Reason.MISSING_FIELD]
    assert (batch.key[0], batch.values[0, 0]) == (b"a", 1.0)


@pytest.mark.parametrize("name", ["a.b", 'a"b', "a\\b", "a\tb"])
def test_fast_says_when_it_cannot_read_a_field(name: str) -> None:
    """The operator asked for something that is not there, and learns what to write instead."""
    with pytest.raises(ConfigError, match=r"source\.decoder: must be 'auto' or 'portable'"):
        json_decoder(spec(values=(name,)), "fast")


def test_auto_is_the_fast_decoder_for_flat_records() -> None:
    """Nested objects and odd names are the only reasons not to be fast."""
    assert isinstance(json_decoder(spec()), FastJsonDecoder)


def test_what_machines_write_is_scanned_without_the_portable_decoder() -> None:
    """The usual forms must not fall back silently: that would be ten times slower."""
    usual = [
        b'{"ts":1700000395954,"series":"host-03851","value":52.1708}',
        b'{"ts": 1700000395954, "series": "host-03851", "value": -52, "unit": "C", "ok": true, "x": null}',
        b'{"ts":1700000395954,"series":"host","value":51.70391283921543}',
        '{"ts":1700000395954.25,"series":"Münster","value":0.001}'.encode(),
    ]
    assert _scanned(spec(), usual) == [True] * 4
    iso = [b'{"ts":"2023-11-14T22:13:20.123+01:00","a":"x|","b":3,"value":1}']
    assert _scanned(spec(time={"field": "ts"}, series=("a", "b")), iso) == [True]


def _scanned(record: RecordSpec, payloads: list[bytes]) -> list[bool]:
    """Return which payloads the scanner accepts (white box: what it leaves is not visible outside)."""
    seen: list[list[bool]] = []

    def watched(*arguments: Any) -> None:
        SCAN(*arguments)
        seen.append(arguments[12].tolist())

    FastJsonDecoder(record, watched).decode(STREAM, raw_of(*payloads))
    return seen[0]


def test_decimal_quotients_round_like_python() -> None:
    """The compiled conversion gives Python's double or declines, rarely, on 18 digits and hard cases."""
    random = np.random.default_rng(20)
    digits = random.integers(10**13, 10**18, 20_000)
    places = random.integers(0, 19, 20_000)
    declined = 0
    for mantissa, decimals in zip(digits.tolist(), places.tolist(), strict=True):
        found = quotient(mantissa, decimals)
        declined += math.isnan(found)
        assert math.isnan(found) or found == float(f"{mantissa}e-{decimals}")
    assert declined < 200


def test_decimal_quotients_that_lie_half_way_are_never_wrong() -> None:
    """Odd 54-bit integers times a power of five are exact ties between two doubles."""
    for decimals in range(1, 3):
        for odd in range(1, 2001, 2):
            mantissa = (2**53 + odd) * 5**decimals
            if mantissa < 10**18:
                found = quotient(mantissa, decimals)
                assert math.isnan(found) or found == float(f"{mantissa}e-{decimals}")
