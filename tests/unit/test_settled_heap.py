"""The garbage collector while a flow runs."""

from __future__ import annotations

import gc

import pytest

from pynomaly.infrastructure.processes.settled_heap import settled_heap


def test_what_exists_is_left_alone_for_the_block() -> None:
    """Inside, the collector does not see older objects and lets a whole read pass; outside it is as before."""
    older: list[object] = []
    before = gc.get_threshold()
    with settled_heap():
        assert not any(seen is older for seen in gc.get_objects())
        assert gc.get_threshold()[0] > 10_000
    assert any(seen is older for seen in gc.get_objects())
    assert gc.get_threshold() == before


def test_cycles_made_in_the_block_are_collected() -> None:
    """Nothing leaks: the collector still works on what is new."""
    with settled_heap():
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() > 0


def test_an_error_ends_the_block_too() -> None:
    """The collector is as before after a flow that failed."""
    before = gc.get_threshold()

    def fail() -> None:
        with settled_heap():
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised above
        fail()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
