"""Places in a topic: how flows and command lines name them, and at which offsets they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from pynomaly.application.spec.complaint import complaints_of
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.source import KafkaSource
from pynomaly.application.spec.start import Place, TopicEnd, parse_place
from pynomaly.domain.error import ConfigError
from pynomaly_connectors.kafka.cluster import Topic
from pynomaly_connectors.kafka.place import Places

MOMENT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def source(**fields: object) -> dict[str, object]:
    """Return a Kafka source as a file states it."""
    return {"kind": "kafka", "bootstrap": "localhost:1", "topic": "readings", **fields}


def flow(record: Mapping[str, object] | None = None, **fields: object) -> dict[str, object]:
    """Return a flow as a file states it."""
    return {
        "flow": "pumps",
        "source": source() | fields,
        "record": record or {"time": {"field": "t"}, "values": ["v"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "terminal"}},
    }


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("latest", "latest"),
        (12, 12),
        ("12", 12),
        ({0: 5, "1": "7"}, {0: 5, 1: 7}),
        ("2026-01-31T09:00:00+01:00", MOMENT),
        (MOMENT, MOMENT),
    ],
)
def test_a_start_as_files_write_it(given: object, start: object) -> None:
    """Words, offsets, offsets by partition and moments; what comes from the environment is text."""
    assert KafkaSource.model_validate(source(start=given)).start == start


_START = "must be earliest, latest, an offset, offsets by partition, or a moment with its distance from UTC such as"


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ("lates", [f"source.start: {_START} 2026-01-31T08:00:00Z, was 'lates'"]),
        ("2026-01-31T08:00:00", [f"source.start: {_START} 2026-01-31T08:00:00Z, was '2026-01-31T08:00:00'"]),
        (-1, [f"source.start: {_START} 2026-01-31T08:00:00Z, was -1"]),
        (True, [f"source.start: {_START} 2026-01-31T08:00:00Z, was 'true'"]),
        ({}, ["source.start: must name at least one partition, was a mapping"]),
        (
            {0: -3, "first": 1},
            [
                "source.start.0: must be an offset from 0, was -3",
                "source.start.first: must be the number of a partition",
            ],
        ),
    ],
)
def test_what_is_no_start(given: object, problems: list[str]) -> None:
    """Every error has its path."""
    with pytest.raises(ConfigError) as raised:
        parse_flow(flow(start=given))
    told = [str(problem) for problem in raised.value.problems]
    assert sorted(told) == problems


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("latest", "must be an offset, offsets by partition such as 0:1200,1:900, or a moment"),
        ("0:1,0:2", "must name every partition once"),
        ("2026-01-31", "must be an offset"),
    ],
)
def test_what_is_no_place_on_a_command_line(text: str, rule: str) -> None:
    """The ends of a topic are what a replay begins and ends at anyway."""
    with pytest.raises(ValueError, match=rule):
        parse_place(text)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"time": {}, "values": ["v"]}, "record.time.field: must be given"),
        (
            {"time": {"from": "message_timestamp", "field": "t"}, "values": ["v"]},
            "record.time.field: must be left out with `from: message_timestamp`",
        ),
        (
            {"time": {"field": "t"}, "values": ["v"], "headers": ["v", "w"]},
            "record.headers[1]: must be one of the fields that time, series and values name, was 'w'",
        ),
    ],
)
def test_fields_beside_the_payload_are_checked(record: Mapping[str, object], problem: str) -> None:
    """Time stands in one place, and only fields can stand in headers."""
    with pytest.raises(ConfigError) as raised:
        parse_flow(flow(record))
    assert [str(found) for found in raised.value.problems] == [problem]


def test_only_messages_have_timestamps_and_headers() -> None:
    """A file has neither, and says so."""
    record = {"time": {"from": "message_timestamp"}, "values": ["v"], "headers": ["v"]}
    tree = flow(record) | {"source": {"kind": "files", "path": "in/*.jsonl"}}
    with pytest.raises(ConfigError) as raised:
        parse_flow(tree)
    assert [str(found) for found in raised.value.problems] == [
        "record.time.from: must be field: only messages have a timestamp, was 'message_timestamp'",
        "record.headers: must be left out: only messages have headers",
    ]


def test_policies_leave_the_state_alone_and_fields_do_not() -> None:
    """What decides no score may change at any time; where the time stands may not."""
    plain = FlowSpec.model_validate(flow()).fingerprint()
    policies = {"start": 5, "out_of_range": "latest", "tombstones": "ignore"}
    assert FlowSpec.model_validate(flow(**policies)).fingerprint() == plain
    written_out = {"time": {"field": "t", "from": "field"}, "values": ["v"], "headers": []}
    assert FlowSpec.model_validate(flow(written_out)).fingerprint() == plain
    for record in (
        {"time": {"from": "message_timestamp"}, "values": ["v"]},
        {"time": {"field": "t"}, "values": ["v"], "headers": ["v"]},
    ):
        assert FlowSpec.model_validate(flow(record)).fingerprint() != plain


def test_complaints_of_a_source_on_its_own() -> None:
    """The section itself refuses what is no policy."""
    given = source(out_of_range="skip")
    with pytest.raises(ValidationError) as raised:
        KafkaSource.model_validate(given)
    assert [complaint.path for complaint in complaints_of(raised.value, given)] == [("out_of_range",)]


HELD = {0: (10, 20), 1: (0, 5)}
AT = {0: 14, 1: None}  # at MOMENT; all records of partition 1 are older


def _look_up(partitions: Sequence[int], moment: datetime) -> dict[int, int | None]:
    assert moment == MOMENT
    return {number: AT[number] for number in partitions}


PLACES = Places(Topic("readings", (0, 1), "id"), HELD.__getitem__, _look_up)


@pytest.mark.parametrize(
    ("place", "offsets"),
    [
        ("earliest", {0: 10, 1: 0}),
        ("latest", {0: 20, 1: 5}),
        ({0: 12}, {0: 12, 1: 0}),
        (MOMENT, {0: 14, 1: 5}),
    ],
)
def test_where_partitions_start(place: TopicEnd | Place, offsets: dict[int, int]) -> None:
    """A partition that is not named starts at its first record, one without a record so late at its end."""
    assert PLACES.starts(place, (0, 1), strict=True) == offsets


def test_offsets_that_are_not_held_are_told_for_every_partition() -> None:
    """One offset for all may lie before the one partition and behind the other."""
    with pytest.raises(ConfigError) as raised:
        PLACES.starts(8, (0, 1), strict=True)
    assert [str(problem) for problem in raised.value.problems] == [
        "source.start: must be an offset that readings[0] holds (10 to 20), was 8",
        "source.start: must be an offset that readings[1] holds (0 to 5), was 8",
    ]
    with pytest.raises(ConfigError, match=r"readings\[1\] holds \(0 to 5\), was 8"):
        PLACES.starts({0: 8, 1: 8}, (0, 1), strict=False)
    assert PLACES.starts({0: 8}, (0, 1), strict=False) == {0: 8, 1: 0}


def test_partitions_that_the_topic_has_not_are_told() -> None:
    """A slip in a number must not start somewhere else."""
    with pytest.raises(ConfigError, match=r"source.start.7: must be a partition of topic readings, which has part"):
        PLACES.starts({0: 12, 7: 1}, (0, 1), strict=True)
    with pytest.raises(ConfigError, match=r"--to.7: must be a partition"):
        PLACES.end({7: 1}, 0, 20)


@pytest.mark.parametrize(
    ("place", "ends"),
    [(3, (3, 3)), (17, (17, 5)), ({0: 12}, (12, 5)), (MOMENT, (14, 5))],
)
def test_where_partitions_end(place: Place, ends: tuple[int, int]) -> None:
    """Never behind what the topic holds; a partition that is not named ends there."""
    assert (PLACES.end(place, 0, 20), PLACES.end(place, 1, 5)) == ends
