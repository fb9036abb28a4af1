"""What every end-to-end test starts from: a folder of its own, and the real program in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.job import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The program, running in the test's own folder; nothing of it survives the test."""
    started = Program(tmp_path)
    yield started
    started.close()
