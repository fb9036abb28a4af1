"""A season by the clock, cut into slots of equal length."""

from __future__ import annotations

from pynomaly.domain.jit import compiled

_NS_PER_S = 1_000_000_000


def season_params(period_s: float, slots: int, utc_offset_s: float = 0.0) -> dict[str, int]:
    """Return period, slot length and offset as `slot_at` takes them [ns]; slots begin at 1970 UTC plus the offset."""
    period_ns = round(period_s * _NS_PER_S)
    return {
        "period_ns": period_ns,
        "slot_ns": -(-period_ns // slots),  # rounded up, so that the last slot ends with the season
        "offset_ns": round(utc_offset_s * _NS_PER_S),
    }


@compiled
def slot_at(time_ns: int, period_ns: int, slot_ns: int, offset_ns: int) -> int:
    """Return the number of the slot that a moment falls into, from 0."""
    return (time_ns + offset_ns) % period_ns // slot_ns
