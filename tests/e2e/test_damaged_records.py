"""One record in a hundred is damaged: exactly those become dead letters, and nobody else notices.

CI: 60,000 records. ``E2E_SIZE=full``: 1,000,000 records.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from brokers.kafka_topics import KafkaTopics
from e2e.flow_file import derived_flow
from e2e.job import Program
from e2e.size import size
from e2e.traffic import Record, Traffic, send, spread
from e2e.verifier import Offset, Stored, assert_one_outcome_each, lines, read_topic, stored

_SERIES = size(60, 500)
_STEPS = size(1_000, 2_000)
_PARTITIONS = 3
_EVERY = 100
_MOST_BYTES = 2_000

Damage = Callable[[bytes], bytes | None]


def _replaced(**fields: str) -> Damage:
    """Put other JSON in place of fields."""

    def damage(payload: bytes) -> bytes:
        reading = {name: orjson.dumps(value).decode() for name, value in orjson.loads(payload).items()} | fields
        return ("{" + ",".join(f'"{name}":{value}' for name, value in reading.items()) + "}").encode()

    return damage


def _without(field: str) -> Damage:
    def damage(payload: bytes) -> bytes:
        return orjson.dumps({name: value for name, value in orjson.loads(payload).items() if name != field})

    return damage


#: What can be wrong with a record, and the reason that the documentation gives for it.
DAMAGES: Final[tuple[tuple[Damage, str], ...]] = (
    (lambda payload: payload[: len(payload) // 2], "malformed"),
    (lambda _payload: b"", "malformed"),
    (lambda _payload: None, "no_payload"),
    (lambda payload: payload.replace(b"sensor", b"sens\xff\xfe"), "malformed"),
    (lambda payload: b"[" + payload + b"]", "malformed"),
    (lambda payload: payload + payload, "malformed"),
    (lambda payload: b"\xef\xbb\xbf" + payload, "malformed"),
    (lambda payload: payload[:-1] + b" " * _MOST_BYTES + b"}", "too_large"),
    (_without("value"), "missing_field"),
    (_without("ts"), "missing_field"),
    (_replaced(value="null"), "missing_field"),
    (_replaced(series="null"), "missing_field"),
    (_replaced(value='"52.1"'), "not_a_number"),
    (_replaced(value="true"), "not_a_number"),
    (_replaced(value="NaN"), "malformed"),
    (_replaced(value="1e400"), "malformed"),
    (_replaced(ts='"yesterday"'), "bad_time"),
    (_replaced(ts="1000000000000000000000"), "time_out_of_range"),  # 10^18 s
    (_replaced(ts="-1"), "time_out_of_range"),
    (_replaced(series="[1]"), "bad_series"),
    (_replaced(series="1.5"), "bad_series"),
    (_replaced(series='""'), "bad_series"),
)


class _Stream:
    """A stream with damage, and what is known about it."""

    def __init__(self) -> None:
        spikes = spread(_SERIES * _STEPS // 1_000, range(_STEPS), _SERIES)
        self._traffic = Traffic(_SERIES, _STEPS, _PARTITIONS, spikes)
        self.damaged: dict[Offset, tuple[Record, str]] = {}
        self.offsets: set[Offset] = set()

    def whole(self) -> Iterator[Record]:
        """Make the records, damaged ones among them."""
        next_offset = Counter[int]()
        for number, record in enumerate(self._traffic.records()):
            place = (record.partition, next_offset[record.partition])
            next_offset[record.partition] += 1
            self.offsets.add(place)
            if number % _EVERY == _EVERY - 1:
                damage, reason = DAMAGES[number // _EVERY % len(DAMAGES)]
                bad = record._replace(
                    value=damage(record.value or b""), headers=[("trace", b"\x00\xff"), ("none", None)]
                )
                self.damaged[place] = (bad, reason)
                yield bad
            else:
                yield record

    def clean(self) -> Iterator[Record]:
        """Make the same records without the damaged ones."""
        for number, record in enumerate(self._traffic.records()):
            if number % _EVERY != _EVERY - 1:
                yield record


Letter = tuple[Offset, str, bytes | None, bytes]


def _letters_of_topic(messages: list[Stored]) -> list[Letter]:
    return [(_origin(dict(one.headers)), one.header("pynomaly.reason"), one.key, one.value or b"") for one in messages]


def _letters_of_file(path: Path) -> list[Letter]:
    found: list[Letter] = []
    for line in lines(path):
        headers = {name: text.encode() for name, text, *_ in line["headers"] if text is not None}
        key, value = (base64.b64decode(line[name]) for name in ("key", "value"))
        found.append((_origin(headers), headers["pynomaly.reason"].decode(), key, value))
    return found


def _origin(headers: dict[str, Any]) -> Offset:
    return int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"])


def _verdicts(bootstrap: str, topic: str) -> list[tuple[object, ...]]:
    """Return what the alerts say, without where their records stood."""
    told = (alert.data for alert in stored(bootstrap, topic))
    return sorted((data["series"], data["time"], data["level"], data["evidence"]) for data in told)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(size(300, 1_800))
@pytest.mark.parametrize("letters_to", ["file", "kafka"])
def test_damaged_records_become_dead_letters_and_nothing_else_changes(
    kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str], letters_to: str
) -> None:
    """Dead letters are the damaged records, byte for byte with their reasons; alerts are those of a clean stream."""
    stream = _Stream()
    topics = {name: unique_name(name) for name in ("whole", "clean", "whole-alerts", "clean-alerts", "letters")}
    for name, topic in topics.items():
        kafka.create(topic, 1 if name.endswith("alerts") else _PARTITIONS)
    send(kafka.bootstrap, topics["whole"], stream.whole())
    send(kafka.bootstrap, topics["clean"], stream.clean())
    sinks = {
        "file": {"kind": "file", "path": "${RUN}-letters.jsonl", "bootstrap": None, "topic": None},
        "kafka": {"kind": "kafka", "bootstrap": kafka.bootstrap, "topic": topics["letters"], "path": None},
    }
    changes = {
        "record": {"max_bytes": _MOST_BYTES},
        "alert": {"levels": {"watch": 1.2, "warning": 3}, "bump": 1},
        "output": {
            "dead_letters": sinks[letters_to],
            "outcomes": {"kind": "file", "path": "${RUN}.jsonl"},
            "outcomes_of": "all",
        },
    }
    flow = derived_flow("kafka", tmp_path / "damaged.yaml", changes)
    for run in ("whole", "clean"):
        program.run(
            *("run", flow, "--until-end", "--state", f"state-{run}"),
            within_s=size(120, 900),
            KAFKA_BOOTSTRAP=kafka.bootstrap,
            KAFKA_INPUT_TOPIC=topics[run],
            KAFKA_ALERT_TOPIC=topics[f"{run}-alerts"],
            RUN=run,
        ).succeeded()

    expected = [(place, reason, bad.key, bad.value or b"") for place, (bad, reason) in stream.damaged.items()]
    letters = stored(kafka.bootstrap, topics["letters"])
    found = _letters_of_topic(letters) if letters_to == "kafka" else _letters_of_file(tmp_path / "whole-letters.jsonl")
    assert sorted(found) == sorted(expected)
    assert all(dict(letter.headers)["trace"] == b"\x00\xff" for letter in letters), "headers are kept"

    assert {(m.partition(), m.offset()) for m in read_topic(kafka.bootstrap, topics["whole"])} == stream.offsets
    assert_one_outcome_each(lines(tmp_path / "whole.jsonl"), stream.offsets)
    reasons = {
        (line["partition"], line["offset"]): line["reason"]
        for line in lines(tmp_path / "whole.jsonl")
        if line["outcome"] == "rejected"
    }
    assert reasons == {place: reason for place, (_, reason) in stream.damaged.items()}

    alerts = _verdicts(kafka.bootstrap, topics["whole-alerts"])
    assert len(alerts) > 100
    assert alerts == _verdicts(kafka.bootstrap, topics["clean-alerts"])
