"""What a window plan admits, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest

from pynomaly.domain.error import ConfigError
from pynomaly.domain.windows import WindowPlan

_VALID: dict[str, Any] = {
    "size_ns": 60,
    "slide_ns": 20,
    "aggregates": ("mean", "std"),
    "lateness_ns": 5,
    "max_jump_ns": 90,
}


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"size_ns": 0}, ["size_ns: must be between 1 and 31622400000000000, was 0", "slide_ns: "]),
        ({"slide_ns": 0}, ["slide_ns: must be between 1 and 60, was 0"]),
        ({"slide_ns": 61}, ["slide_ns: must be between 1 and 60, was 61"]),
        ({"slide_ns": 25}, ["size_ns: must be a multiple of slide_ns 25, was 60"]),
        ({"lateness_ns": -1}, ["lateness_ns: must be between 0 and 31622400000000000, was -1"]),
        ({"max_jump_ns": 4}, ["max_jump_ns: must be between 5 and 31622400000000000, was 4"]),
        ({"aggregates": ()}, ["aggregates: must be different ones of count, mean, min, max, std, was []"]),
        ({"aggregates": ("mean", "mean")}, ["aggregates: must be different ones of "]),
        ({"aggregates": ("median",)}, ["aggregates: must be different ones of "]),
        ({"size_ns": 0, "aggregates": ()}, ["size_ns: ", "slide_ns: ", "aggregates: "]),
        (
            {"size_ns": 1000, "slide_ns": 1, "lateness_ns": 1},
            ["slide_ns: must cut size and lateness into at most 1000 panes, was 1001"],
        ),
    ],
)
def test_bad_plans_name_every_problem(change: dict[str, Any], problems: list[str]) -> None:
    """Each broken rule is one problem with its name, its rule and the value that broke it."""
    with pytest.raises(ConfigError) as caught:
        WindowPlan(**(_VALID | change))
    told = [str(problem) for problem in caught.value.problems]
    assert len(told) == len(problems)
    assert all(line.startswith(start) for line, start in zip(told, problems, strict=True))


@pytest.mark.parametrize(
    ("size_ns", "slide_ns", "lateness_ns", "panes"),
    [
        (60, 60, 0, 1),
        (60, 60, 1, 2),
        (60, 60, 60, 2),
        (60, 60, 61, 3),
        (60, 20, 0, 3),
        (60, 20, 40, 5),
        (60, 20, 41, 6),
    ],
)
def test_panes(size_ns: int, slide_ns: int, lateness_ns: int, panes: int) -> None:
    """A series keeps the panes of a window and those that lateness leaves open behind it."""
    assert WindowPlan(size_ns, slide_ns, ("mean",), lateness_ns).panes == panes


def test_bytes_per_series() -> None:
    """A pane takes 16 bytes and 32 for each field, a series 8 beside its panes."""
    assert WindowPlan(60, 20, ("mean",)).bytes_per_series(2) == 3 * (16 + 2 * 32) + 8


def test_kind_and_columns() -> None:
    """The kind follows from the slide, the columns go field by field."""
    plan = WindowPlan(60, 20, ("std", "count"))
    assert (plan.kind, WindowPlan(60, 60, ("mean",)).kind) == ("sliding", "tumbling")
    assert plan.columns(("load", "heat")) == ("load.std", "load.count", "heat.std", "heat.count")
