"""Jumps that are news at the sampling of their series, and alert by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

from pynomaly.domain.alert_policy import AlertPolicyOptions, CombinationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors import jump
from pynomaly.domain.detectors.jump import JumpOptions
from pynomaly.domain.detectors.magnitude import bounded
from pynomaly.domain.detectors.quantile import QUANTILE_FIELDS, observe, quantile
from pynomaly.domain.detectors.seam import Detector, Layout, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.median import lower_median
from pynomaly.domain.option import option
from pynomaly.domain.sampling_interval import INTERVAL_FIELDS, learn_gap

_OFTEN_S: Final = 120.0  # longest sampling interval of a series that is sampled often
_SLOWER: Final = 4.0 / 3.0  # how much more a jump of a series counts that is known to be sampled less often
_FARTHEST: Final = 30.0  # most scales of a distance that count for smoothness
_WATCH: Final = 2.3  # evidence of a jump by `bar` scales
_LIGHT_TAILED: Final = 0.4  # least median of the distances, as a ratio of their root mean square
_CORRELATED: Final = 0.7  # least correlation of neighbours in a smooth series
_SMOOTH, _ROUGH = 1, 2

#: A bar of ``bar * (1 + 0.15 ln(1 + A) + B)`` scales with B = 3 right after an alert, in evidence.
_POLICY: Final = AlertPolicyOptions(
    bump=3.0 * _WATCH,
    bump_half_life=10.0,
    habituation=0.15 * _WATCH,
    habituation_half_life=10_000.0,
    habituation_from=0,
)
_CHANNEL: Final = Channel(CombinationOptions(soft_threshold=0.0, cap=100.0), policy=_POLICY)


@dataclass(frozen=True)
class AdaptiveJumpOptions(JumpOptions):
    """Distance from the median of the last few values, as evidence of its own for series where a jump is news.

    Catches what `jump` does, the sudden events of business and web metrics, and alerts by itself: its evidence is 2.3
    for a jump by ``bar`` scales and grows in proportion, is added to no other, and has alert levels and a memory of
    past alerts of its own, with a short refractory, because such events last for ten records and come in clusters.
    Fails on slow changes, and says nothing of a series that it takes for rough. Cost as `jump` and O(1) more, 496
    bytes a series.

    A series that is sampled at least every 2 minutes (the median of its first 64 gaps) counts at once. With ``gate``
    any other, which cannot tell a jump from its noise so well, counts only when ``gate_records`` records have shown
    it to be smooth (neighbours correlate by more than 0.7) and light-tailed (the median distance is more than 0.4 of
    the root mean square, at least half of the distances are not 0). Where the interval is known to be longer, three
    quarters of ``bar`` are enough.
    """

    bar: float = option(8.0, "scales of a jump that is evidence 2.3", low=1.0, high=1e6)
    gate: bool = option(True, "whether a series that is not sampled often must be smooth")
    gate_records: int = option(2_000, "records that show whether a series is smooth", low=50, high=1_000_000)


def _layout(options: AdaptiveJumpOptions, _fields: int) -> Layout:
    smoothness: list[tuple[Any, ...]] = [
        ("rows", "i8"),
        ("verdict", "i8"),  # 0 while `gate_records` have not come
        ("first", "f8"),  # what the sums below are relative to
        ("previous", "f8"),
        ("sum", "f8"),
        ("squares", "f8"),
        ("products", "f8"),  # of neighbours
        ("distance_squares", "f8"),
    ]
    params = row(
        **jump.numbers(options),
        evidence_per_scale=_WATCH / options.bar,
        gate=options.gate,
        gate_records=options.gate_records,
    )
    return Layout(zeros(smoothness + INTERVAL_FIELDS + QUANTILE_FIELDS + jump.state_fields(options)), params)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:
    """Return the evidence of the jump: 2.3 at the bar, 0 while the series is not known to be smooth; NaN until warm."""
    scales = jump.score(state, params, x, time_ns)
    if 0.0 < state.interval_s <= _OFTEN_S:
        return float(scales * params.evidence_per_scale)
    if params.gate and state.verdict != _SMOOTH:
        return float(scales * 0.0)  # NaN stays NaN
    slower = _SLOWER if state.interval_s > 0.0 else 1.0
    return float(scales * params.evidence_per_scale * slower)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:
    """Learn the jump, the sampling interval, and how smooth the series is until that is decided."""
    learn_gap(state, time_ns)
    if state.verdict == 0:
        _learn_smoothness(state, params, bounded(x))
    jump.learn(state, params, x, time_ns)


@compiled
def _learn_smoothness(state: Row, params: Row, x: float) -> None:
    """Learn a value and its distance, within 30 scales of the last few: one corrupt value decides little."""
    if state.rows == 0:
        state.first = x
    if state.count >= len(state.recent):
        middle = lower_median(state.recent)
        distance = x - middle
        if state.distances >= params.warm_up:
            farthest = _FARTHEST * sqrt(state.mean_square)
            distance = min(max(distance, -farthest), farthest)
            x = middle + distance
        if distance != 0.0:
            state.distance_squares += distance * distance
            observe(state, 0.5, abs(distance))
    x -= state.first
    state.sum += x
    state.squares += x * x
    state.products += x * state.previous
    state.previous = x
    state.rows += 1
    if state.rows == params.gate_records:
        state.verdict = _SMOOTH if _is_smooth(state) else _ROUGH


@compiled
def _is_smooth(state: Row) -> bool:
    """Tell whether neighbours correlate, and whether the distances are light-tailed and mostly not 0."""
    mean = state.sum / state.rows
    variance = state.squares / state.rows - mean * mean
    covariance = state.products / state.rows - mean * mean
    rms = sqrt(state.distance_squares / max(state.observed, 1))
    return bool(
        2 * state.observed >= state.rows
        and covariance > _CORRELATED * variance
        and quantile(state) > _LIGHT_TAILED * rms
    )


ADAPTIVE_JUMP = Detector(
    "adaptive_jump", AdaptiveJumpOptions, _layout, score, learn, jump.expect, scale="evidence", channel=_CHANNEL
)
