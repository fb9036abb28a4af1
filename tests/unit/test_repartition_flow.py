"""`source.keying: repartition`: what it accepts, what it changes, and what a record looks like on its way."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from commands.program import pynomaly
from pynomaly.application.spec.explain import explain
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.repartition import routed_record
from pynomaly.bootstrap import plan_of, services_of
from pynomaly.domain.error import ConfigError
from pynomaly.domain.event import RecordRejected
from pynomaly.domain.origin import Origin
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import KeyColumn, RawRecord, RecordBatch, Stream
from pynomaly.domain.routing import partition_of
from pynomaly.operations import needed_topics_of
from pynomaly.presentation.cli.silence import longest_wait_s
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.dead_letter import dead_letter_message, read_dead_letter
from pynomaly_connectors.codecs.origin_header import ORIGIN, OriginDecoder, origin_headers
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.codecs.routed import MessageKeys, RoutedDecoder

_TOPIC_ID = "BWUTfCr3SJyPaiNNTIUBpg"
_KAFKA = {"kind": "kafka", "bootstrap": "127.0.0.1:9"}


def _tree(source: dict[str, Any] | None = None, **sections: object) -> dict[str, Any]:
    return {
        "flow": "pumps",
        "source": {**_KAFKA, "topic": "readings", "keying": "repartition", **(source or {})},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["pump"], "values": ["load"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "terminal"}},
        **sections,
    }


def test_the_default_copies_nothing() -> None:
    """A flow that says nothing reads its topic as it is, and keeps the fingerprint that it had before."""
    flow = parse_flow(_tree({"keying": "partition"}))
    assert services_of(flow).repartition is None
    assert not plan_of(flow).has_origins
    assert [topic.name for topic in needed_topics_of(flow, with_input=True)] == ["readings"]


@pytest.mark.parametrize(("source", "topic"), [({}, "readings.by-series"), ({"repartition": {"topic": "by"}}, "by")])
def test_the_topic_by_series_is_needed(source: dict[str, Any], topic: str) -> None:
    """It is made with the other topics, after the input, and what is judged are its records."""
    flow = parse_flow(_tree(source))
    assert [needed.name for needed in needed_topics_of(flow, with_input=True)] == ["readings", topic]
    assert [needed.name for needed in needed_topics_of(flow, with_input=False)] == [topic]
    repartition = services_of(flow).repartition
    assert repartition is not None
    assert repartition.sink.where == f"topic {topic} at 127.0.0.1:9"
    assert plan_of(flow).has_origins


def test_what_decides_about_the_copies() -> None:
    """State is of the topic by series; where a record goes depends on its series, not on what is made of it."""
    plain = parse_flow(_tree())
    renamed = parse_flow(_tree({"repartition": {"topic": "by"}}))
    patient = parse_flow(_tree({"repartition": {"delivery_timeout_s": 5}}))
    assert plain.fingerprint() == patient.fingerprint() != renamed.fingerprint()
    assert plain.routing_fingerprint() == patient.routing_fingerprint() != renamed.routing_fingerprint()
    record = {"time": {"field": "ts", "format": "ms"}, "series": ["pump"], "values": ["load", "flow"]}
    more = parse_flow(_tree(record=record))
    assert more.fingerprint() != plain.fingerprint()
    assert more.routing_fingerprint() == plain.routing_fingerprint()
    other = parse_flow(_tree(record={**record, "series": ["site"]}))
    assert other.routing_fingerprint() != plain.routing_fingerprint()


def test_it_is_explained() -> None:
    """An operator reads which topic is judged."""
    assert "copies each record by series to topic readings.by-series, and judges the copies" in str(
        explain(parse_flow(_tree()))
    )


def test_how_long_the_flow_may_stand_still_counts_the_copies() -> None:
    """A health check gives the copies the time that they have."""
    assert longest_wait_s(parse_flow(_tree())) == 300.0
    assert longest_wait_s(parse_flow(_tree({"repartition": {"delivery_timeout_s": 700}}))) == 700.0
    assert longest_wait_s(parse_flow(_tree({"keying": "partition"}))) == 0.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--stage", "detect"], "--stage: must be left out: the flow has no `source.keying: repartition`"),
        (["--shard", "0/2", "--until-end"], "--stage: must be given with --shard and --until-end"),
    ],
)
def test_stages_that_cannot_run_are_told(tmp_path: Path, options: list[str], text: str) -> None:
    """Before anything is opened."""
    keying = "partition" if "--stage" in options else "repartition"
    (tmp_path / "flow.yaml").write_text(yaml.safe_dump(_tree({"keying": keying})))
    ended = pynomaly("run", "flow.yaml", *options, folder=tmp_path)
    assert ended.returncode == os.EX_CONFIG
    assert text in ended.stderr


@pytest.mark.parametrize(
    ("source", "sections", "text"),
    [
        ({"repartition": {"topic": "readings"}}, {}, "source.repartition.topic: must differ from the input"),
        ({"keying": "partition", "repartition": {}}, {}, "source.repartition: must be left out unless `keying`"),
        ({"new_partitions": "read"}, {}, "source.new_partitions: must be left out with `keying: repartition`"),
        ({}, {"record": {"time": {"field": "ts"}, "values": ["load"]}}, "record.series: must be given with `keying"),
        ({}, {"output": {"alerts": {**_KAFKA, "topic": "readings.by-series"}}}, "must differ from the input"),
    ],
)
def test_what_cannot_be_is_told(source: dict[str, Any], sections: dict[str, Any], text: str) -> None:
    """The complaint names the key."""
    with pytest.raises(ConfigError) as caught:
        parse_flow(_tree(source, **sections))
    assert text in str(caught.value)


def _batch(raw: RawBatch) -> RecordBatch:
    flow = parse_flow(_tree())
    return RoutedDecoder(json_decoder(routed_record(flow.record))).decode(Stream("readings", 5, _TOPIC_ID), raw)


def test_only_the_series_decides_where_a_record_goes() -> None:
    """Other fields may be missing or wrong; without a series the partition of the input decides."""
    payloads = [
        b'{"pump":"p-1"}',
        b'{"pump":"p-1","load":"high","ts":null}',
        b'{"load":1}',
        b"{",
        None,
        b'{"pump":"p-2"}',
    ]
    batch = _batch(RawBatch.of(payloads, np.arange(6)))
    targets = partition_of(batch, 3).tolist()
    assert targets[0] == targets[1]
    assert targets[2:5] == [5 % 3] * 3
    assert batch.whole is not None
    assert batch.slice(4, 6).whole is not None
    assert batch.whole().values == payloads


def test_series_spread_over_all_partitions() -> None:
    """Names that differ in their last digits only are spread evenly: none of 8 partitions gets twice its share."""
    keys = KeyColumn.of([b"sensor-%04d" % number for number in range(8_000)])
    rows = np.arange(8_000)
    batch = RecordBatch(Stream("readings"), rows, rows, keys, np.zeros((8_000, 0)), np.zeros(8_000, np.uint8))
    counts = Counter(partition_of(batch, 8).tolist())
    assert len(counts) == 8
    assert max(counts.values()) < 2_000


def test_the_message_key_may_be_the_series() -> None:
    """Then payloads are not looked at; a key that names no series is refused."""
    raw = RawBatch.of([b"x", None, b"{"], np.arange(3), [b"p-1", b"p-1", b"\xff"])
    batch = MessageKeys().decode(Stream("readings", 2), raw)
    assert batch.refusal.tolist() == [0, 0, Reason.BAD_SERIES]
    assert [batch.key[row] for row in range(2)] == [b"p-1", b"p-1"]


def test_a_copy_says_what_it_is_a_copy_of() -> None:
    """The last header of the name counts, if it has its shape; what is kept of a refused record is the producer's."""
    stream = Stream("readings", 3, _TOPIC_ID)
    old, new = (next(origin_headers(stream, np.array([offset]))) for offset in (7, 4_711))
    headers = [((ORIGIN, old), ("trace", b"t"), (ORIGIN, new)), (), ((ORIGIN, new), (ORIGIN, b"short"))]
    raw = RawBatch.of([b"{"] * 3, np.arange(3), headers=headers.__getitem__)
    decoder = OriginDecoder(json_decoder(parse_flow(_tree()).record), "readings")
    batch = decoder.decode(Stream("readings.by-series"), raw)
    assert batch.origins is not None
    assert [batch.origins.at(row) for row in range(3)] == [Origin("readings", 3, 4_711), None, None]
    assert batch.origins.place[0, :2].astype(">i8").tobytes().hex() == "0565137c2af7489c8f6a234d4c8501a6"
    assert batch.raw(0).headers == (("trace", b"t"),)
    assert batch.slice(1, 3).origins is not None


def test_a_dead_letter_names_both_places() -> None:
    """The copy, by which the engine knows it, and the record of the input, which an operator looks for."""
    origin = Origin("readings", 3, 4_711)
    event = RecordRejected("0f", "pumps", Stream("readings.by-series", 1), 8, Reason.MALFORMED, RawRecord(b"{"), origin)
    message = dead_letter_message(event)
    assert dict(message.headers)["pynomaly.input"] == b"readings[3]@4711"
    letter = read_dead_letter(RawRecord(message.value, message.key, message.headers))
    assert letter is not None
    assert letter.origin == origin
    assert str(letter.place) == "readings.by-series[1]@8"
    assert letter.raw.headers == ()


def test_text_that_is_no_origin() -> None:
    """Whatever else stands there is told."""
    with pytest.raises(ValueError, match="origin must be TOPIC"):
        Origin.parse("readings@5")
