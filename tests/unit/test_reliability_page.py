"""docs/reliability.md: every fault has its row, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
ROWS = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|([^|]*)\|$", PAGE, re.MULTILINE)
LATER = {27, 28, 29}


def test_every_fault_has_one_row() -> None:
    """The matrix has 32 rows, in their order; only what waits for a later part has no test, and says so."""
    assert [int(row) for row, *_ in ROWS] == list(range(1, 33))
    for row, _, done, tests in ROWS:
        assert done.startswith("later: ") == (int(row) in LATER), row
        assert bool(tests.strip()) == (int(row) not in LATER), row


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[^`]+)`", "".join(row[3] for row in ROWS)))))
def test_every_named_test_exists(name: str) -> None:
    """A test that was moved or renamed takes its name here along."""
    path, _, function = name.partition("::")
    assert re.search(rf"^def {function}\(", (ROOT / path).read_text(), re.MULTILINE), name
