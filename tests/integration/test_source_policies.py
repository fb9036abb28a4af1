"""Where a flow starts in a real topic, what it does about lost records, and what it replays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics, until
from brokers.record_logs import RECORDS, payload
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.source import KafkaSource
from pynomaly.application.tally import Tally, Totals
from pynomaly.bootstrap import services_of
from pynomaly.domain.error import ConfigError, StateError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly.presentation.cli.main import main
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.json_scanner import scan
from pynomaly_connectors.kafka.gap_ledger import Gap, GapLedger
from pynomaly_connectors.kafka.native.batch import kernels_of
from pynomaly_connectors.kafka.source import KafkaRecordSource
from pynomaly_connectors.kafka.topic_watch import EVERY_S
from pynomaly_connectors.log_position import LogPosition
from pynomaly_connectors.sealed_file import LedgerFolder
from pynomaly_flows.live import LiveOptions, run_live

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_reader")]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


@pytest.fixture
def topic(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> str:
    """An empty topic of one partition."""
    name = unique_name("records")
    kafka.create(name)
    return name


def source(kafka: KafkaTopics, topic: str, ledger: Path | None = None, **fields: object) -> KafkaRecordSource:
    """Return the source of one run of a flow."""
    given = {"kind": "kafka", "bootstrap": kafka.bootstrap, "topic": topic, "timeout_s": 10}
    spec = KafkaSource.model_validate(given | fields)
    return KafkaRecordSource(
        spec, json_decoder(RECORDS, "portable"), ledger=None if ledger is None else LedgerFolder(ledger)
    )


def batches(reader: PartitionReader, done: Callable[[list[float]], bool]) -> list[RecordBatch]:
    """Poll until the values so far satisfy a condition."""
    found: list[RecordBatch] = []

    def poll() -> bool:
        batch = reader.poll()
        if batch is not None:
            found.append(batch)
        return done([value for batch in found for value in batch.values[:, 0].tolist()])

    until(poll, "reading so far", 20.0)
    return found


def values(reader: PartitionReader, count: int | None = None) -> list[float]:
    """Read a number of values, or to the end of a bounded read, and close the reader as a crash would."""
    found = batches(reader, lambda so_far: reader.at_end if count is None else len(so_far) >= count)
    reader.close()
    return [value for batch in found for value in batch.values[:, 0].tolist()]


def append(kafka: KafkaTopics, topic: str, first: int, end: int, partition: int = 0) -> None:
    """Append consecutive values, a minute apart since noon, each in a batch of its own."""
    for number in range(first, end):
        kafka.append(topic, partition, [payload(number)], timestamp=NOON_MS + 60_000 * number)


@pytest.mark.parametrize(
    ("start", "first"),
    [
        (3, 3),
        ({0: 4}, 4),
        (NOON + timedelta(minutes=6), 6),
        ((NOON + timedelta(minutes=5, microseconds=1)).isoformat(), 6),
        ("1999-12-31T00:00:00Z", 0),
        ("2099-12-31T00:00:00Z", 8),
    ],
)
def test_a_start_is_found_once(kafka: KafkaTopics, topic: str, tmp_path: Path, start: object, first: int) -> None:
    """A flow that dies before its first checkpoint begins at the same record, whatever has come since."""
    append(kafka, topic, 0, 8)
    source(kafka, topic, tmp_path, start=start).open(f"{topic}:0", None, bounded=False).close()
    append(kafka, topic, 8, 10)
    again = source(kafka, topic, tmp_path, start=start).open(f"{topic}:0", None, bounded=True)
    assert values(again) == [*map(float, range(first, 10))]


def test_a_start_that_the_topic_does_not_hold_is_refused(kafka: KafkaTopics, topic: str, tmp_path: Path) -> None:
    """It is the flow file that is wrong; with a policy what retention took before the start is a gap."""
    append(kafka, topic, 0, 5)
    kafka.delete_records(topic, 0, before=3)
    for start in (1, 9):
        with pytest.raises(
            ConfigError, match=rf"source.start: must be an offset that .* holds \(3 to 5\), was {start}"
        ):
            source(kafka, topic, start=start).open(f"{topic}:0", None, bounded=False)
    reader = source(kafka, topic, tmp_path, start=1, out_of_range="earliest").open(f"{topic}:0", None, bounded=True)
    assert reader.skipped == 2
    assert values(reader) == [3.0, 4.0]


@pytest.mark.parametrize(("policy", "first"), [("earliest", 6), ("latest", 10)])
def test_retention_before_the_start_is_passed_over(
    kafka: KafkaTopics, topic: str, tmp_path: Path, policy: str, first: int
) -> None:
    """The gap is counted and kept; a crash before the next checkpoint changes nothing about it."""
    append(kafka, topic, 0, 10)
    kafka.delete_records(topic, 0, before=6)
    position = LogPosition(2, "").to_bytes()
    reader = source(kafka, topic, tmp_path, out_of_range=policy).open(f"{topic}:0", position, bounded=False)
    assert reader.skipped == first - 2
    append(kafka, topic, 10, 12)
    assert values(reader, 12 - first) == [*map(float, range(first, 12))]
    again = source(kafka, topic, tmp_path, out_of_range=policy).open(f"{topic}:0", position, bounded=True)
    assert values(again) == [*map(float, range(first, 12))]
    assert GapLedger(tmp_path).read(topic, 0).latest == (Gap(2, first),)


def test_retention_that_overtakes_a_reader_is_passed_over(kafka: KafkaTopics, topic: str, tmp_path: Path) -> None:
    """Mid-run the reader goes on behind the gap, and its position with it."""
    append(kafka, topic, 0, 10)
    slow = {"fetch.message.max.bytes": "60", "queued.min.messages": "1", "fetch.queue.backoff.ms": "1000"}
    opened = source(kafka, topic, tmp_path, out_of_range="earliest", client=slow, batch_records=1)
    reader = opened.open(f"{topic}:0", None, bounded=False)
    before = [value for batch in batches(reader, lambda found: len(found) >= 1) for value in batch.values[:, 0]]
    kafka.delete_records(topic, 0, before=9)

    def poll() -> bool:
        batch = reader.poll()
        before.extend([] if batch is None else batch.values[:, 0].tolist())
        return reader.skipped > 0

    until(poll, "the gap is met")
    append(kafka, topic, 10, 12)
    after = [value for batch in batches(reader, lambda found: found[-1:] == [11.0]) for value in batch.values[:, 0]]
    assert after == [*map(float, range(9, 12))]
    (gap,) = GapLedger(tmp_path).read(topic, 0).latest
    assert (gap.first, gap.end, gap.offsets) == (len(before), 9, reader.skipped)
    assert LogPosition.from_bytes(reader.position()).offset == 12
    reader.close()


class Clock:
    """Real seconds, which a test may move ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return time.monotonic() + self.ahead_s


def test_a_recreated_topic_that_has_grown_past_the_reader_is_found(kafka: KafkaTopics, topic: str) -> None:
    """While running and at the next start: only the topic's id tells it from the old one."""
    clock = Clock()
    spec = KafkaSource(kind="kafka", bootstrap=kafka.bootstrap, topic=topic, timeout_s=10, out_of_range="latest")
    reader = KafkaRecordSource(spec, json_decoder(RECORDS, "portable"), clock).open(f"{topic}:0", None, bounded=False)
    append(kafka, topic, 0, 3)
    batches(reader, lambda found: len(found) == 3)
    position = reader.position()
    kafka.delete(topic)
    kafka.create(topic)
    append(kafka, topic, 100, 110)
    clock.ahead_s = EVERY_S
    with pytest.raises(StateError, match=r"must stay while it is read \(id .+\), was deleted and created again"):
        batches(reader, lambda _found: False)
    reader.close()
    with pytest.raises(StateError, match="it was deleted and created again; start over with --reset-state"):
        source(kafka, topic, out_of_range="latest").open(f"{topic}:0", position, bounded=False)


def test_a_compacted_topic_is_read_with_its_holes_and_tombstones(
    kafka: KafkaTopics, unique_name: Callable[[str], str]
) -> None:
    """Every record that is left has one outcome; an ignored tombstone is none of the dead letters."""
    topic = unique_name("compacted")
    compacting = {"cleanup_policy": "compact", "segment_ms": "100", "min_cleanable_dirty_ratio": "0.001"}
    kafka.create(topic, **compacting, delete_retention_ms="86400000")
    for number in range(20):
        kafka.append(topic, 0, [payload(number)], key=b"a")
    kafka.append(topic, 0, [None], key=b"b")

    def is_compacted() -> bool:
        kafka.append(topic, 0, [payload(99)], key=b"roll")  # an append closes the segment before
        return kafka.read(topic)[0].offset() == 19

    until(is_compacted, "19 records of 20 with one key are gone")
    for policy, reason in (("reject", Reason.NO_PAYLOAD), ("ignore", Reason.TOMBSTONE)):
        reader = source(kafka, topic, tombstones=policy).open(f"{topic}:0", None, bounded=True)
        found = batches(reader, lambda _found, reader=reader: reader.at_end)  # type: ignore[misc]
        reader.close()
        offsets = [offset for batch in found for offset in batch.offset.tolist()]
        refusal = [code for batch in found for code in batch.refusal.tolist()]
        assert (offsets[:2], refusal[:2]) == ([19, 20], [0, reason])
        assert set(refusal[2:]) <= {0}


FLOW = """
flow: pumps
source: {{kind: kafka, bootstrap: "{bootstrap}", topic: "{topic}", out_of_range: earliest, tombstones: ignore}}
record: {{time: {{from: message_timestamp}}, series: [site], values: [value, load], headers: [site, load]}}
detectors: [{{detector: ew_zscore, half_life: 20, warm_up: 5}}]
output:
  alerts: {{kind: file, path: {folder}/alerts.jsonl}}
  dead_letters: {{kind: file, path: {folder}/dead-letters.jsonl}}
  outcomes: {{kind: file, path: {folder}/outcomes.jsonl}}
  outcomes_of: all
"""


def _live(path: Path, folder: Path) -> Totals:
    tally = Tally()
    run_live(services_of(load_flow(path, {})), tally, LiveOptions(folder / "state", until_end=True))
    return tally.totals()


def test_a_whole_flow_over_a_gap_and_its_replay(
    kafka: KafkaTopics, topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fields from header and timestamp, an ignored tombstone, a gap in the summary, and a part of it replayed."""
    flow = tmp_path / "pumps.yaml"
    flow.write_text(FLOW.format(bootstrap=kafka.bootstrap, topic=topic, folder=tmp_path))
    for number in range(20):
        beside = [("site", b"north"), ("load", str(number % 7).encode())]
        value = None if number == 15 else payload(number % 5)
        kafka.append(topic, 0, [value], headers=beside, timestamp=NOON_MS + 60_000 * number)
        if number == 9:
            first = _live(flow, tmp_path)
    kafka.delete_records(topic, 0, before=14)
    second = _live(flow, tmp_path)
    assert (first.records, first.skipped) == (10, {})
    assert (second.records, [*second.skipped.values()]) == (6, [4])
    assert second.by_reason[Reason.TOMBSTONE] == 1
    assert not (tmp_path / "dead-letters.jsonl").exists()
    lines = [json.loads(line) for line in (tmp_path / "outcomes.jsonl").read_text().splitlines()]
    assert [line["offset"] for line in lines] == [*range(10), *range(14, 20)]
    assert {line["series"] for line in lines} == {"north", None}
    assert lines[3]["time"].startswith("2026-01-31T12:03:00")
    assert lines[3]["values"] == {"value": 3.0, "load": 3.0}

    capsys.readouterr()
    replayed = str(tmp_path / "replayed.jsonl")
    span = ["--from", "0:15", "--to", "2026-01-31T12:18:00Z"]
    assert main(["replay", str(flow), *span, "--outcomes", replayed, "--json"]) == 0
    told = capsys.readouterr()
    assert "detectors know nothing of the records before" in told.err
    assert json.loads(told.out)["records"] == 3
    assert [json.loads(line)["offset"] for line in Path(replayed).read_text().splitlines()] == [15, 16, 17]
    assert main(["replay", str(flow), "--from", "3"]) == 78
    assert "error: --from: must be an offset that" in capsys.readouterr().err
    assert main(["replay", str(flow), "--to", "5:1"]) == 78
    assert "error: --to.5: must be a partition of topic" in capsys.readouterr().err


def test_the_time_is_that_of_the_message(kafka: KafkaTopics, topic: str) -> None:
    """As the producer wrote it, to the millisecond."""
    record = RecordSpec.model_validate({"time": {"from": "message_timestamp"}, "values": ["value"]})
    spec = KafkaSource(kind="kafka", bootstrap=kafka.bootstrap, topic=topic, timeout_s=10)
    append(kafka, topic, 0, 3)
    entry = KernelLibrary.default().entry
    timed = KafkaRecordSource(spec, json_decoder(record, "fast", entry(scan)), kernels=kernels_of(entry))
    reader = timed.open(f"{topic}:0", None, bounded=True)
    found = batches(reader, lambda _found: reader.at_end)
    reader.close()
    times_ns = [time_ns for batch in found for time_ns in batch.time_ns.tolist()]
    assert times_ns == [(NOON_MS + 60_000 * number) * 1_000_000 for number in range(3)]
