"""Records that name their schema: the wire format, batches of several schemas, and ids that are not known yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.error import TransientError, UnavailableError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.payload import Decoder, NotYetDecodableError, RawBatch
from pynomaly_connectors.codecs.registered import RegisteredDecoder
from pynomaly_connectors.registry.client import RegistryAwayError
from pynomaly_connectors.registry.store import SchemaStore

STREAM = Stream("records", 4)
DEADLINE_S = 10.0


def _json(value_field: str) -> Decoder:
    fields = {"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": (value_field,)}
    return json_decoder(RecordSpec.model_validate(fields), "portable")


class Known:
    """Ids with a meaning each; asks are counted."""

    def __init__(self, decoders: dict[int, Decoder]) -> None:
        self._decoders = decoders

    def get(self, schema_id: int) -> Decoder | None:
        """Return the decoder of an id."""
        return self._decoders.get(schema_id)

    def forget_unknown(self) -> None:
        """Do nothing."""


def _payload(schema_id: int, value: float, series: str = "a", field: str = "value") -> bytes:
    body = f'{{"ts":1700000000000,"series":"{series}","{field}":{value}}}'
    return b"\x00" + schema_id.to_bytes(4, "big") + body.encode()


def _raw(*payloads: bytes | None, keys: list[bytes | None] | None = None) -> RawBatch:
    return RawBatch.of(payloads, np.arange(50, 50 + len(payloads)), keys)


def _reasons(batch: RecordBatch) -> list[Reason]:
    return [Reason(reason) for reason in batch.refusal.tolist()]


def test_records_of_several_schemas_keep_their_order() -> None:
    """Each record is read by its own schema; a refused one stands among them with its reason and its whole bytes."""
    decoder = RegisteredDecoder(Known({1: _json("value"), 2**32 - 1: _json("v")}), 10_000, 1)
    payloads = [
        _payload(1, 1.5, "é"),
        _payload(2**32 - 1, 2.5, "b", field="v"),
        b"\x01" + _payload(1, 1)[1:],
        _payload(7, 1),
        _payload(1, 3.5, "c"),
    ]
    batch = decoder.decode(STREAM, _raw(*payloads, keys=[b"k"] * 5))
    assert _reasons(batch) == [
        Reason.ACCEPTED,
        Reason.ACCEPTED,
        Reason.NO_SCHEMA_ID,
        Reason.UNKNOWN_SCHEMA,
        Reason.ACCEPTED,
    ]
    assert [batch.key[row] for row in range(5)] == ["é".encode(), b"b", b"", b"", b"c"]
    assert batch.offset.tolist() == [50, 51, 52, 53, 54]
    np.testing.assert_equal(batch.values[:, 0], [1.5, 2.5, np.nan, np.nan, 3.5])
    assert batch.time_ns.tolist() == [1_700_000_000_000_000_000] * 2 + [0, 0] + [1_700_000_000_000_000_000]
    assert {row: (record.value, record.key) for row, record in batch.refused().items()} == {
        2: (payloads[2], b"k"),
        3: (payloads[3], b"k"),
    }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, Reason.NO_PAYLOAD),
        (b"", Reason.NO_SCHEMA_ID),
        (b"\x00\x00\x00\x01", Reason.NO_SCHEMA_ID),
        (b'{"ts":1}', Reason.NO_SCHEMA_ID),
        (_payload(1, 1, "x" * 200), Reason.TOO_LARGE),
        (b"x" * 201, Reason.TOO_LARGE),
        (_payload(3, 1), Reason.UNKNOWN_SCHEMA),
        (b"\x00\x00\x00\x00\x01", Reason.MALFORMED),
        (_payload(1, 1, field="other"), Reason.MISSING_FIELD),
    ],
)
def test_a_bad_record_is_refused_alone(payload: bytes | None, reason: Reason) -> None:
    """Its neighbours, good ones before and behind it, are read."""
    decoder = RegisteredDecoder(Known({1: _json("value")}), 200, 1)
    batch = decoder.decode(STREAM, _raw(_payload(1, 1), payload, _payload(1, 2)))
    assert _reasons(batch) == [Reason.ACCEPTED, reason, Reason.ACCEPTED]
    assert batch.refused()[1].value == payload


def test_an_empty_and_a_uniform_batch() -> None:
    """No rows give no rows; rows of one schema are handed through."""
    decoder = RegisteredDecoder(Known({1: _json("value")}), 200, 1)
    assert len(decoder.decode(STREAM, _raw())) == 0
    batch = decoder.decode(STREAM, _raw(_payload(1, 1), _payload(1, 2)))
    assert batch.values[:, 0].tolist() == [1.0, 2.0]
    assert batch.raw(1).value == _payload(1, 2)


class FakeRegistry:
    """What a registry answers: a meaning, None, or an error to raise."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, schema_id: int) -> str | None:
        """Answer once the gate is open."""
        assert self.gate.wait(DEADLINE_S)
        self.asked.append(schema_id)
        answer = self.answers[f"id{schema_id}"]
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else str(answer)


def _got(store: SchemaStore[str], schema_id: int) -> str | None:
    """Ask until the search has ended."""
    for _ in range(1_000):
        try:
            return store.get(schema_id)
        except NotYetDecodableError:
            continue
    raise AssertionError(f"schema {schema_id} must be found or not in the end")


def test_a_known_id_is_never_asked_for_again() -> None:
    """The registry may go away once it has told."""
    registry = FakeRegistry(id1="one")
    store = SchemaStore[str](registry, patience_s=5)
    assert _got(store, 1) == "one"
    registry.answers["id1"] = RegistryAwayError("gone")
    assert store.get(1) == "one"
    assert registry.asked == [1]


def test_an_unknown_id_is_asked_for_again_after_a_while() -> None:
    """Ten seconds later: the registry may have got it late; until then it is not bothered."""
    now_s = [100.0]
    registry = FakeRegistry(id1=None)
    store = SchemaStore[str](registry, patience_s=5, clock=lambda: now_s[0])
    for seconds, asked in ((0.0, 1), (9.0, 1), (11.0, 2)):
        now_s[0] = 100.0 + seconds
        store.forget_unknown()
        assert _got(store, 1) is None
        assert len(registry.asked) == asked
    registry.answers["id1"] = "late"
    now_s[0] = 130.0
    store.forget_unknown()
    assert _got(store, 1) == "late"


def test_a_slow_registry_does_not_hold_the_reader_up() -> None:
    """The caller is told to come back; one search goes on meanwhile."""
    registry = FakeRegistry(id1="one")
    registry.gate.clear()
    store = SchemaStore[str](registry, patience_s=5)
    for _ in range(3):
        with pytest.raises(NotYetDecodableError):
            store.get(1)
    registry.gate.set()
    assert _got(store, 1) == "one"
    assert registry.asked == [1]


def test_a_registry_that_stays_away_stops_the_flow() -> None:
    """Waiting mends it, so nothing is refused: after our patience the flow stops, to be started again."""
    registry = FakeRegistry(id1=RegistryAwayError("schema registry at X must answer, did not"))
    store = SchemaStore[str](registry, patience_s=0.3)
    with pytest.raises(TransientError, match="schema 1 must be found, was not: schema registry at X must answer"):
        _got(store, 1)
    assert len(registry.asked) >= 2


def test_a_registry_that_refuses_us_stops_the_flow_at_once() -> None:
    """No waiting mends a wrong password."""
    registry = FakeRegistry(id1=UnavailableError("must let us in"))
    with pytest.raises(UnavailableError, match="must let us in"):
        _got(SchemaStore[str](registry, patience_s=30), 1)
    assert registry.asked == [1]


def test_a_batch_that_waits_keeps_what_is_known_not_to_exist() -> None:
    """Else a flood of made-up ids would never come to its end."""

    class Waiting(Known):
        forgotten = 0
        wait = True

        def get(self, schema_id: int) -> Decoder | None:
            if self.wait:
                raise NotYetDecodableError
            return super().get(schema_id)

        def forget_unknown(self) -> None:
            self.forgotten += 1

    schemas = Waiting({1: _json("value")})
    decoder = RegisteredDecoder(schemas, 200, 1)
    again: Callable[[], RecordBatch] = lambda: decoder.decode(STREAM, _raw(_payload(1, 1)))  # noqa: E731
    for _ in range(3):
        with pytest.raises(NotYetDecodableError):
            again()
    assert schemas.forgotten == 1
    schemas.wait = False
    assert _reasons(again()) == [Reason.ACCEPTED]
    again()
    assert schemas.forgotten == 2
