"""When the wall clock counts as set back."""

from __future__ import annotations

from pynomaly_flows.wall_clock import WallClock


def test_only_a_clock_that_is_set_back_is_told() -> None:
    """Running on, ahead or back by little is nothing; back by more is told once; small steps back add up."""
    wall, monotonic = [1_000.0], [50.0]
    clock = WallClock(lambda: wall[0], lambda: monotonic[0])

    def after(seconds: float, *, set_by: float = 0.0) -> float:
        monotonic[0] += seconds
        wall[0] += seconds + set_by
        return clock.set_back_s()

    assert after(3_600.0) == 0.0
    assert after(1.0, set_by=3_600.0) == 0.0
    assert after(1.0) == 0.0
    assert after(1.0, set_by=-7_200.0) == 7_200.0
    assert after(1.0) == 0.0
    assert after(1.0, set_by=-0.6) == 0.0
    assert abs(after(1.0, set_by=-0.6) - 1.2) < 1e-6
    assert after(1.0) == 0.0
