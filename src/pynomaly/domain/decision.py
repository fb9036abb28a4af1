"""From severities to a verdict: combine, hold back, alert.

For each accepted record, in the order of its stream::

    contribution of a part = min(max(severity - soft_threshold, 0), cap)
    evidence               = sum of the contributions that no rule of their part holds back
    level fires            = evidence >= threshold for `hits` of the last `of` records of the series
                             and evidence >= bar = threshold + habituation * ln(1 + A) + B

A counts the level's past alerts and halves every `habituation_half_life` records: a series that alerts often has to
show more. B jumps to `bump` at an alert and halves every `bump_half_life` records: a soft refractory, out of which a
much stronger event still gets. Every level has its own A and B, so that an escalation alerts anew; an alert at one
level counts as an alert at the levels below it. A and B decay lazily: a quiet record costs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isnan, log1p

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.seam import row
from pynomaly.domain.error import Problem
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option
from pynomaly.domain.outcome import Level, Reason

LEVELS = len(Level) - 1
_BELOW_THRESHOLD = int(Reason.BELOW_THRESHOLD)
_NOT_PERSISTENT = int(Reason.NOT_PERSISTENT)
_IN_REFRACTORY = int(Reason.IN_REFRACTORY)
_ALERTED = int(Reason.ALERTED)
_WRONG_DIRECTION = int(Reason.WRONG_DIRECTION)
_BELOW_MINIMUM_DEVIATION = int(Reason.BELOW_MINIMUM_DEVIATION)


@dataclass(frozen=True)
class CombinationOptions(Options):
    """How severities add up to evidence."""

    soft_threshold: float = option(1.0, "severity that counts as ordinary noise", low=0.0, high=10.0)
    cap: float = option(5.0, "most that one part can contribute", low=0.1, high=100.0)


@dataclass(frozen=True)
class PersistenceOptions(Options):
    """How many of a series' last records must reach a level's threshold."""

    hits: int = option(1, "records that must reach the threshold", low=1, high=64)
    of: int = option(1, "among the last records of the series", low=1, high=64)

    def _conflicts(self) -> Iterator[Problem]:
        if self.of < self.hits:
            yield Problem("of", f"must be at least `hits`, was {self.of}")


@dataclass(frozen=True)
class AlertPolicyOptions(Options):
    """Bars of the alert levels, higher from level to level; a level without a threshold does not exist."""

    watch: float | None = option(2.3, "evidence of a watch alert", low=0.0, high=1e6)
    warning: float | None = option(4.0, "evidence of a warning alert", low=0.0, high=1e6)
    critical: float | None = option(6.0, "evidence of a critical alert", low=0.0, high=1e6)
    bump: float = option(8.0, "added to the bar right after an alert", low=0.0, high=1e6)
    bump_half_life: float = option(40.0, "records after which the bump has halved", low=0.1, high=1e9)
    habituation: float = option(0.25, "added to the bar for each e-fold of past alerts", low=0.0, high=1e3)
    habituation_half_life: float = option(10_000.0, "records after which a past alert counts half", low=1.0, high=1e9)
    habituation_from: int = option(300, "records of a series before its alerts count", low=0, high=1_000_000_000)

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """Evidence of watch, warning and critical; infinite for a level that does not exist."""
        given = (self.watch, self.warning, self.critical)
        watch, warning, critical = (inf if threshold is None else threshold for threshold in given)
        return watch, warning, critical

    def _conflicts(self) -> Iterator[Problem]:
        names = [name for name in ("watch", "warning", "critical") if getattr(self, name) is not None]
        if not names:
            yield Problem(
                "watch", "must be a number where warning and critical are none, was None: nothing would alert"
            )
        for lower, name in pairwise(names):
            bar, below = getattr(self, name), getattr(self, lower)
            if bar <= below:
                yield Problem(name, f"must be greater than {lower} {below:g}, was {bar:g}")


def rules_row(
    combination: CombinationOptions, persistence: PersistenceOptions, policy: AlertPolicyOptions
) -> NDArray[np.void]:
    """Return the ``(1,)`` row of rules that compiled code reads."""
    watch, warning, critical = policy.thresholds
    return row(
        soft_threshold=combination.soft_threshold,
        cap=combination.cap,
        hits=persistence.hits,
        of=persistence.of,
        watch=watch,
        warning=warning,
        critical=critical,
        lowest=min(policy.thresholds),
        bump=policy.bump,
        bump_half_life=policy.bump_half_life,
        habituation=policy.habituation,
        habituation_half_life=policy.habituation_half_life,
        habituation_from=policy.habituation_from,
    )


def series_dtype(guarded_parts: int) -> np.dtype[np.void]:
    """Return the dtype of what the decision remembers of one series (about 170 bytes)."""
    fields = [
        ("rows", "i8"),  # accepted records so far
        ("habituation", "f8", (LEVELS,)),  # A as of `touched`
        ("bump", "f8", (LEVELS,)),  # B as of `touched`
        ("touched", "i8", (LEVELS,)),  # record of the last alert
        ("hits", "u8", (LEVELS,)),  # bit i: the record i before `hit_row` reached the threshold
        ("hit_row", "i8", (LEVELS,)),  # last record that reached the threshold
        ("unlearned", "i8", (max(guarded_parts, 1),)),  # run of records the guard has kept from each part
    ]
    return np.dtype(fields, align=True)


@compiled
def contribution(rules: Row, severity: float) -> float:
    """Return what a severity adds to the evidence; an unknown one adds nothing."""
    if severity > rules.soft_threshold:
        return min(severity - rules.soft_threshold, rules.cap)
    return 0.0


@compiled
def held_back(part_rules: Row, x: float, expected: float) -> int:
    """Return the reason for which a part must not count this record, or 0; an unknown expectation holds nothing."""
    deviation = x - expected
    if (part_rules.direction > 0 and deviation < 0.0) or (part_rules.direction < 0 and deviation > 0.0):
        return _WRONG_DIRECTION
    size = abs(deviation)
    if size < part_rules.minimum_absolute or size < part_rules.minimum_relative * abs(expected):
        return _BELOW_MINIMUM_DEVIATION
    return 0


@compiled
def judge(series: Row, rules: Row, evidence: float) -> tuple[int, int, float]:
    """Return reason, level and bar of a record whose parts are known, and remember it."""
    if evidence < rules.lowest:
        return _BELOW_THRESHOLD, 0, rules.lowest
    reason, fired, bar = _NOT_PERSISTENT, 0, rules.lowest
    for level in range(LEVELS):
        threshold = _threshold(rules, level)
        if evidence < threshold or not _persists(series, rules, level):
            continue
        level_bar = threshold + _raised(series, rules, level)
        if evidence >= level_bar:
            reason, fired, bar = _ALERTED, level + 1, level_bar
        elif fired == 0:
            reason, bar = _IN_REFRACTORY, level_bar
    for level in range(fired):
        _remember_alert(series, rules, level)
    return reason, fired, bar


@compiled
def judge_history(series: Row, rules: Row, evidence: NDArray[np.float64], level: NDArray[np.uint8]) -> None:
    """Judge the evidence of one series' records in order, as the fused kernel does; NaN is not judged.

    Parameters
    ----------
    series, rules
        ``(1,)`` the memory of a new series, and `rules_row`.
    evidence, level
        ``(n,)`` evidence of its accepted records, and the level of each alert, written in place; 0 for none.
    """
    for record in range(len(evidence)):
        series[0].rows += 1
        level[record] = 0
        if not isnan(evidence[record]):
            _, fired, _ = judge(series[0], rules[0], evidence[record])
            level[record] = fired


@compiled
def _threshold(rules: Row, level: int) -> float:
    if level == 0:
        return rules.watch
    return rules.warning if level == 1 else rules.critical


@compiled
def _persists(series: Row, rules: Row, level: int) -> bool:
    """Note that this record reached the threshold, and count how many of the last ones did."""
    age = series.rows - series.hit_row[level]
    bits = series.hits[level] << np.uint64(age) if 0 <= age < 64 else np.uint64(0)
    bits |= np.uint64(1)
    series.hits[level] = bits
    series.hit_row[level] = series.rows
    count = 0
    for position in range(rules.of):
        count += int((bits >> np.uint64(position)) & np.uint64(1))
    return count >= rules.hits


@compiled
def _raised(series: Row, rules: Row, level: int) -> float:
    """Return by how much past alerts raise the bar now."""
    age = series.rows - series.touched[level]
    alerts = series.habituation[level] * 0.5 ** (age / rules.habituation_half_life)
    return rules.habituation * log1p(alerts) + series.bump[level] * 0.5 ** (age / rules.bump_half_life)


@compiled
def _remember_alert(series: Row, rules: Row, level: int) -> None:
    age = series.rows - series.touched[level]
    series.habituation[level] *= 0.5 ** (age / rules.habituation_half_life)
    if series.rows > rules.habituation_from:
        series.habituation[level] += 1.0
    series.bump[level] = rules.bump
    series.touched[level] = series.rows
