"""The soak in small: long enough for a few faults and one look of the verifier. ``just soak`` runs it for minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from brokers.apache_kafka import ApacheKafka
from e2e.size import size
from fault_table import Figures
from soak.soak import Soak, SoakOptions

_SEED: Final = 350  # its first two faults: the broker dies, then the job
_SECONDS: Final = size(12, 300)


@pytest.mark.kafka
@pytest.mark.ordeal
@pytest.mark.timeout(size(300, 1_200))
def test_a_short_soak(own_kafka: ApacheKafka, tmp_path: Path, tell: Callable[[Figures], None]) -> None:
    """A broker that dies, a job that is killed, a change of processes: every record one outcome, one alert set."""
    figures = Soak(own_kafka, tmp_path, SoakOptions(_SEED, _SECONDS)).run()
    tell(figures)
    assert figures.faults > 0
    assert figures.lost == 0
