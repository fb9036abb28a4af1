"""A decision taken once more, step by step.

The steps are the functions that the fused kernel is made of, in the kernel's order, on a copy of the state before the
record. Nothing of `pynomaly.domain.decision` is written here a second time; the tests compare the two on every record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf, isnan, log2, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.decision import (
    BAR,
    LEVELS,
    Channel,
    contribution,
    held_back,
    judge,
    outranks,
    sampling_raise,
    weigh,
)
from pynomaly.domain.kernel import part_indices
from pynomaly.domain.outcome import Level, Outcomes, Reason
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.trace.decision_trace import ChannelTrace, DecisionTrace, LevelTrace, PartTrace
from pynomaly.domain.trace.moment import Moment

#: Returns the same compiled function, perhaps with machine code that was made before.
Cached = Callable[[Callable[..., Any]], Callable[..., Any]]

_FADED: Final = 0.1  # evidence below which a bump no longer matters


def trace(moment: Moment, cached: Cached) -> DecisionTrace:
    """Take the decision about a record apart; the moment stays as it is.

    Parameters
    ----------
    moment
        The series before the record, and the record.
    cached
        Where machine code comes from: 0.2 s for each function that has none yet.
    """
    outcomes, after = moment.judged()
    plan = moment.plan
    memory = _memory_now(plan, moment.state.sections["series"], after.sections["series"])
    parts = tuple(_parts(moment, outcomes, memory, after.sections["series"], cached))
    channels = tuple(
        _channel(number, channel, plan, parts, memory.copy(), cached) for number, channel in enumerate(plan.channels)
    )
    judged = _judged(channels, cached)
    verdict = None if judged is None else channels[judged]
    return DecisionTrace(
        reason=_warming(parts) if verdict is None or verdict.reason is None else verdict.reason,
        level=Level.NONE if verdict is None else verdict.level,
        evidence=nan if verdict is None else verdict.evidence,
        bar=nan if verdict is None else verdict.bar,
        judged=judged,
        channels=channels,
        parts=parts,
        expected=outcomes.expected[0],
        records=int(memory["rows"][0]),
    )


def _memory_now(plan: ScoringPlan, before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
    """Return the decision's memory as it is when the record is judged: counted, its gap known, nothing remembered."""
    memory = before.copy()
    memory["rows"] = after["rows"]
    if plan.keeps_interval:
        memory["interval_s"] = after["interval_s"]
    return memory


def _parts(
    moment: Moment, outcomes: Outcomes, memory: NDArray[Any], after: NDArray[Any], cached: Cached
) -> Iterator[PartTrace]:
    adds, holds = cached(contribution), cached(held_back)
    plan = moment.plan
    rules = [channel.rules()[0] for channel in plan.channels]
    for k, (part, index) in enumerate(zip(plan.parts, part_indices(plan), strict=True)):
        value, severity = float(moment.values[part.fields[0]]), float(outcomes.severity[0, k])
        expected = _expected_by(part, moment, index.state, cached)
        would = float(adds(rules[index.channel], severity))
        held = int(holds(part.rules()[0], value, expected)) if would > 0.0 and not isnan(expected) else 0
        yield PartTrace(
            part=part.name,
            fields=part.fields,
            detector=part.source.detector.name if isinstance(part.source, NativeSource) else None,
            scale=part.source.detector.scale if isinstance(part.source, NativeSource) else "raw",
            score=float(outcomes.score[0, k]),
            severity=severity,
            contribution=0.0 if held else would,
            held_back=Reason(held) if held else None,
            would_have_added=would,
            expected=expected,
            kept_from_learning=_is_kept(part, memory, after, index.guard),
            channel=index.channel,
        )


def _is_kept(part: Part, before: NDArray[Any], after: NDArray[Any], guard: int | None) -> bool:
    """Tell whether the guard kept the record from the part: its run of kept records grew, within its patience."""
    if part.guard is None or guard is None:
        return False
    run = int(after["unlearned"][0, guard])
    return int(before["unlearned"][0, guard]) < run <= part.guard.patience


def _expected_by(part: Part, moment: Moment, number: int | None, cached: Cached) -> float:
    """Return the value that a part takes for ordinary; NaN where it knows of none."""
    source = part.source
    if not isinstance(source, NativeSource) or source.detector.expect is None or source.detector.takes_vector:
        return nan
    states = [rows for name, rows in moment.state.sections.items() if name.startswith("state.")]
    params = source.detector.layout(source.options, len(part.fields)).params
    value = float(moment.values[part.fields[0]])
    return float(cached(source.detector.expect)(states[number or 0][0], params[0], value, moment.time_ns))


def _channel(
    number: int, channel: Channel, plan: ScoringPlan, parts: Sequence[PartTrace], memory: NDArray[Any], cached: Cached
) -> ChannelTrace:
    """Judge a channel; ``memory`` is written to."""
    own = [part for part in parts if part.channel == number]
    name = own[0].part if number > 0 else None
    rules = channel.rules()
    raised = 0.0
    if plan.keeps_interval and channel.policy.sampling_slope > 0:
        raised = float(cached(sampling_raise)(memory[0], rules[0]))
    known = any(not isnan(part.severity) for part in own)
    evidence = _summed(part.contribution for part in own) if known else nan
    levels = tuple(_levels(memory, channel, evidence, number, raised, cached))
    held = [part.held_back for part in own if part.held_back is not None]
    raw = _summed(part.would_have_added for part in own)
    if not known:
        return ChannelTrace(name, nan, 0.0, None, Level.NONE, nan, levels)
    reason, level, bar = cached(judge)(memory[0], rules[0], evidence, number, raised)
    if reason == Reason.BELOW_THRESHOLD and held and raw >= bar:
        reason = min(held)
    held_back = _summed(part.would_have_added for part in own if part.held_back is not None)
    return ChannelTrace(name, evidence, held_back, Reason(reason), Level(level), float(bar), levels)


def _summed(contributions: Iterator[float]) -> float:
    """Add up in the order of the parts, as the kernel does (`sum` compensates for rounding from Python 3.12 on)."""
    total = 0.0
    for one in contributions:
        total += one
    return total


def _levels(
    memory: NDArray[Any], channel: Channel, evidence: float, number: int, raised: float, cached: Cached
) -> Iterator[LevelTrace]:
    bars = np.zeros(LEVELS, BAR)
    cached(weigh)(memory[0], channel.rules()[0], evidence, number, raised, bars)
    for place, (bar, threshold) in enumerate(zip(bars, channel.policy.thresholds, strict=True)):
        if threshold == inf:
            continue
        bump, since = float(bar["bump"]), int(bar["since_alert"])
        yield LevelTrace(
            level=Level(place + 1),
            threshold=threshold,
            sampling=raised,
            habituation=float(bar["habituation"]),
            alerts=float(bar["alerts"]),
            bump=bump,
            since_alert=None if since < 0 else since,
            bump_gone_after=0 if bump < _FADED else int(channel.policy.bump_half_life * log2(bump / _FADED)) + 1,
            bar=float(bar["bar"]),
            hits=int(bar["hits"]),
            needed_hits=channel.persistence.hits,
            of=channel.persistence.of,
            evidence=evidence,
        )


def _judged(channels: Sequence[ChannelTrace], cached: Cached) -> int | None:
    """Return the number of the channel whose verdict is the record's."""
    judged: int | None = None
    for number, channel in enumerate(channels):
        if channel.reason is None:
            continue
        so_far = None if judged is None else channels[judged]
        if so_far is None or _outranks(channel, so_far, cached):
            judged = number
    return judged


def _outranks(channel: ChannelTrace, so_far: ChannelTrace, cached: Cached) -> bool:
    verdicts = channel.reason or 0, channel.level, so_far.reason or 0, so_far.level
    return bool(cached(outranks)(*map(int, verdicts)))


def _warming(parts: Sequence[PartTrace]) -> Reason:
    scored = any(not isnan(part.score) for part in parts)
    return Reason.CALIBRATOR_WARMING if scored else Reason.DETECTOR_WARMING
