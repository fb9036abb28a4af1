"""When a process sleeps for all of its partitions."""

from __future__ import annotations

from pynomaly_flows.rest import Rest


def _rest(*partitions: str) -> tuple[Rest, list[float]]:
    slept: list[float] = []
    rest = Rest(slept.append)
    for partition in partitions:
        rest.join(partition)
    return rest, slept


def test_the_last_one_that_comes_up_empty_sleeps_for_all() -> None:
    """Once a round, not once a partition."""
    rest, slept = _rest("a", "b", "c")
    assert [rest.empty(name, 0.02) for name in "abcabc"] == [False, False, True] * 2
    assert slept == [0.02, 0.02]


def test_nobody_sleeps_while_a_partition_has_something() -> None:
    """Everyone must have come up empty since."""
    rest, slept = _rest("a", "b")
    assert not rest.empty("a", 0.02)
    rest.busy()
    assert not rest.empty("b", 0.02)
    assert not rest.empty("b", 0.02)
    assert rest.empty("a", 0.004)
    assert slept == [0.004]


def test_a_partition_at_its_end_is_not_waited_for() -> None:
    """The others go on by themselves."""
    rest, slept = _rest("a", "b")
    assert not rest.empty("a", 0.02)
    rest.leave("b")
    assert rest.empty("a", 0.02)
    assert slept == [0.02]
