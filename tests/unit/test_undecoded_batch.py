"""A reader keeps a batch whose schemas are still looked for, and says what is missing where packages are not there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pynomaly.application.spec.registry import SchemaRegistry
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import NotYetDecodableError, RawBatch
from pynomaly_connectors.codecs.rows import Row, assemble
from pynomaly_connectors.kafka.loss_forecast import Retention
from pynomaly_connectors.kafka.lost_records import LostRecords
from pynomaly_connectors.kafka.partition_reader import KafkaPartitionReader, OpenPartition
from pynomaly_connectors.registry.client import Registry


class OneBatch:
    """A feed that has one batch of two records and then nothing."""

    def __init__(self) -> None:
        self.batches = [RawBatch.of([b"a", b"b"], np.array([7, 8]))]

    def take(self, _partition: int) -> RawBatch | None:
        """Return the batch once."""
        return self.batches.pop() if self.batches else None

    def end(self, _partition: int) -> int:
        """Return the end that the broker told."""
        return 9

    def watermarks(self, _partition: int) -> tuple[int, int]:
        """Return first and end."""
        return 0, 9

    def known_watermarks(self, _partition: int) -> tuple[int, int] | None:
        """Return first and end."""
        return 0, 9

    def retention(self) -> Retention:
        """Know of none."""
        return Retention()

    def add(self, partition: int, offset: int) -> None:
        """Do nothing."""

    def remove(self, partition: int) -> None:
        """Do nothing."""

    def commit(self, partition: int, offset: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Slow:
    """A decoder that cannot decode the first two times."""

    def __init__(self) -> None:
        self.seen: list[RawBatch] = []

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Decode at the third call."""
        self.seen.append(raw)
        if len(self.seen) < 3:
            raise NotYetDecodableError
        return assemble(stream, raw, [Row(0, b"k", (1.0,))] * len(raw), 1)


def test_a_batch_is_handed_in_until_it_can_be_decoded() -> None:
    """Nothing is lost or overtaken, and the position stays before it meanwhile."""
    decoder = Slow()
    lost = LostRecords(KafkaSource(kind="kafka", bootstrap="localhost:1", topic="t"), None)
    reader = KafkaPartitionReader(
        OpenPartition(Stream("t", 0, "id"), OneBatch(), decoder, lost, lambda: None, first=7, end=9)
    )
    before = reader.position()
    for _ in range(2):
        assert reader.poll() is None
        assert reader.position() == before
        assert not reader.at_end
    batch = reader.poll()
    assert batch is not None
    assert batch.offset.tolist() == [7, 8]
    assert reader.at_end
    assert decoder.seen[0] is decoder.seen[1] is decoder.seen[2]


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs them."""
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(ConfigError, match=r"pip install 'pynomaly-streaming\[registry\]'"):
        Registry(SchemaRegistry(url="http://localhost:1"), "source.schema_registry")
