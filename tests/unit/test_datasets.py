"""The labelled data that come with the program's dependencies."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import datetime

import numpy as np

from pynomaly.application.spec.dataset import DATASET_RECORDS
from pynomaly.application.spec.record import RecordSpec, TimeSpec
from pynomaly.application.spec.source import DatasetSource
from pynomaly.domain.record import RecordBatch
from pynomaly_connectors.datasets import DatasetRecordSource, dataset_path, labels

WATER_FLOW = DatasetSource(kind="dataset", name="water_flow", batch_records=500)


def water_flow(position: bytes | None = None) -> tuple[list[RecordBatch], bytes]:
    """Return all batches, and the position after the first."""
    source = DatasetRecordSource(WATER_FLOW)
    (partition,) = source.partitions()
    reader = source.open(partition, position, bounded=False)
    batches: list[RecordBatch] = []
    after_first = b""
    while not reader.at_end:
        batch = reader.poll()
        if batch is not None:
            batches.append(batch)
            after_first = after_first or reader.position()
    reader.close()
    return batches, after_first


def test_water_flow_has_its_1268_records() -> None:
    """River says how many there are; every one is accepted, and time runs forward."""
    batches, _ = water_flow()
    assert sum(map(len, batches)) == 1268
    assert not any(batch.refusal.any() for batch in batches)
    time_ns = np.concatenate([batch.time_ns for batch in batches])
    assert np.all(np.diff(time_ns) > 0)
    assert time_ns[0] == datetime.fromisoformat("2022-03-20T10:00:00+00:00").timestamp() * 1e9
    assert batches[0].values[:3, 0].tolist() == [100.59, 100.89, 100.88]
    assert batches[0].key[0] == b"0"
    assert {str(batch.stream) for batch in batches} == {"water_flow[0]"}


def test_reading_goes_on_from_a_position() -> None:
    """A dataset resumes as any file does."""
    batches, after_first = water_flow()
    rest, _ = water_flow(after_first)
    assert [batch.offset.tolist() for batch in rest] == [batch.offset.tolist() for batch in batches[1:]]


def test_the_labels_are_where_the_flow_leaves_its_range() -> None:
    """Read straight from the file: what is below 98 or above 108 l/s, and nothing else, is labelled."""
    with dataset_path("water_flow").open() as file:
        rows = [
            (datetime.fromisoformat(time).timestamp() * 1e9, float(flow)) for time, flow in list(csv.reader(file))[1:]
        ]
    spans = labels("water_flow")
    assert len(spans) == 4
    assert list(spans) == sorted(spans)
    for time_ns, flow in rows:
        assert any(begin <= time_ns < end for begin, end in spans) == (not 98 <= flow <= 108)
    for begin, end in spans:
        assert begin in {time_ns for time_ns, _ in rows}
        assert end in {time_ns for time_ns, _ in rows}


def test_another_record_shape_can_be_asked_for() -> None:
    """A flow may narrow the plausible range, for one."""
    late = TimeSpec.model_validate({"field": "Time", "earliest": "2022-05-01T00:00:00Z"})
    record = RecordSpec(time=late, values=DATASET_RECORDS["water_flow"].values)
    reader = DatasetRecordSource(WATER_FLOW, record).open("water_flow", None, bounded=True)
    batch = reader.poll()
    reader.close()
    assert batch is None or batch.refusal.any()
    assert DATASET_RECORDS["water_flow"].values == ("Water flow [l/s]",)


def test_finding_the_data_does_not_import_the_library() -> None:
    """Importing River takes seconds."""
    code = (
        "import sys; from pynomaly_connectors.datasets import dataset_path; "
        "dataset_path('water_flow'); print('river' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
