"""The shape of the records of each dataset, which its flows need not state."""

from __future__ import annotations

from typing import Final

from pynomaly.application.spec.record import RecordSpec, TimeSpec

DATASET_RECORDS: Final = {
    "water_flow": RecordSpec(time=TimeSpec(field="Time"), values=("Water flow [l/s]",)),
}
