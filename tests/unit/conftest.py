"""What several modules of unit tests are given."""

from __future__ import annotations

import pytest

from pynomaly_connectors.codecs.choose import DecoderChoice
from unit.watched_telemetry import Watched


@pytest.fixture(params=["fast", "portable"])
def choice(request: pytest.FixtureRequest) -> DecoderChoice:
    """Each decoder."""
    return request.param


@pytest.fixture
def watched() -> Watched:
    """Return a telemetry that has been told nothing yet."""
    return Watched()
