"""From severities to a verdict: combine, hold back, alert.

For each accepted record, in the order of its stream::

    contribution of a part = weight * min(max(severity - soft_threshold, 0), cap)
    evidence               = sum of the contributions that no rule of their part holds back
    level fires            = evidence >= threshold for `hits` of the last `of` records of the series
                             and evidence >= bar = threshold + habituation * ln(1 + A) + B

A counts the level's past alerts and halves every `habituation_half_life` records: a series that alerts often has to
show more. B jumps to `bump` at an alert and halves every `bump_half_life` records: a soft refractory, out of which a
much stronger event still gets. Every level has its own A and B, so that an escalation alerts anew; an alert at one
level counts as an alert at the levels below it. A and B decay lazily: a quiet record costs nothing here.

A detector with rules of its own is a channel of its own: its evidence is judged apart from the common sum, with levels,
A and B of its own. The verdict of a record is that of the channel that alerts at the highest level, of the common one
where they agree; its evidence, bar and contributions are that channel's.

False alerts come per record, and people count them per day. So with a `sampling_slope` a series that is sampled every
two minutes or more often has bars that are higher by the slope for each tenfold of records beyond one in 5 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan, log1p, log10
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.alert_policy import AlertPolicyOptions, CombinationOptions, PersistenceOptions
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.layout import row
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.sampling_interval import INTERVAL_FIELDS

LEVELS = len(Level) - 1
_BELOW_THRESHOLD = int(Reason.BELOW_THRESHOLD)
_NOT_PERSISTENT = int(Reason.NOT_PERSISTENT)
_IN_REFRACTORY = int(Reason.IN_REFRACTORY)
_ALERTED = int(Reason.ALERTED)
_WRONG_DIRECTION = int(Reason.WRONG_DIRECTION)
_BELOW_MINIMUM_DEVIATION = int(Reason.BELOW_MINIMUM_DEVIATION)
_USUAL_INTERVAL_S = 300.0  # sampling for which the levels are meant
_OFTEN_S = 120.0  # sampling from which a series counts as sampled often

#: What a level asks of a record: `weigh` fills it in.
BAR: Final = np.dtype(
    [
        ("threshold", "f8"),  # raised for how often the series is sampled
        ("habituation", "f8"),
        ("bump", "f8"),
        ("bar", "f8"),  # the sum of these
        ("alerts", "f8"),  # A: past alerts that are remembered
        ("since_alert", "i8"),  # records since the last alert; negative: there was none
        ("hits", "i8"),  # records, this one included, that reached the threshold among the last `of`
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Channel:
    """A sum of evidence that is judged by itself, and its rules.

    Parameters
    ----------
    combination, persistence, policy
        How severities add up, how long they must last, and when the sum alerts.
    weight
        What a contribution counts, for parts whose usual sum is not on the scale of the alert levels.
    ranked
        What its evidence counts in the ranking score.
    """

    combination: CombinationOptions = field(default_factory=CombinationOptions)
    persistence: PersistenceOptions = field(default_factory=PersistenceOptions)
    policy: AlertPolicyOptions = field(default_factory=AlertPolicyOptions)
    weight: float = 1.0
    ranked: float = 1.0

    def rules(self) -> NDArray[np.void]:
        """Return the ``(1,)`` row of rules that compiled code reads."""
        watch, warning, critical = self.policy.thresholds
        return row(
            soft_threshold=self.combination.soft_threshold,
            cap=self.combination.cap,
            weight=float(self.weight),
            ranked=float(self.ranked),
            hits=self.persistence.hits,
            of=self.persistence.of,
            watch=watch,
            warning=warning,
            critical=critical,
            lowest=min(self.policy.thresholds),
            bump=self.policy.bump,
            bump_half_life=self.policy.bump_half_life,
            habituation=self.policy.habituation,
            habituation_half_life=self.policy.habituation_half_life,
            habituation_from=self.policy.habituation_from,
            sampling_slope=self.policy.sampling_slope,
        )


def series_dtype(guarded_parts: int, channels: int = 1, *, keeps_interval: bool = False) -> np.dtype[np.void]:
    """Return the dtype of what the decision remembers of one series: 16 bytes, and 120 for each channel.

    Parameters
    ----------
    guarded_parts
        Parts with a learning guard; every further one takes 8 bytes.
    channels
        Channels with memories of their own, one level after the other, one channel after the other.
    keeps_interval
        Whether it remembers how often the series is sampled: another 280 bytes.
    """
    cells = LEVELS * channels
    fields: list[tuple[Any, ...]] = [
        # First, or the compiler would take a row with them for a row without, which begins the same.
        *(INTERVAL_FIELDS if keeps_interval else []),
        ("rows", "i8"),  # accepted records so far
        ("habituation", "f8", (cells,)),  # A as of `touched`
        ("bump", "f8", (cells,)),  # B as of `touched`
        ("touched", "i8", (cells,)),  # record of the last alert
        ("hits", "u8", (cells,)),  # bit i: the record i before `hit_row` reached the threshold
        ("hit_row", "i8", (cells,)),  # last record that reached the threshold
        ("unlearned", "i8", (max(guarded_parts, 1),)),  # run of records the guard has kept from each part
    ]
    return np.dtype(fields, align=True)


@compiled
def contribution(rules: Row, severity: float) -> float:
    """Return what a severity adds to the evidence; an unknown one adds nothing."""
    if severity > rules.soft_threshold:
        return float(rules.weight * min(severity - rules.soft_threshold, rules.cap))
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
def sampling_raise(series: Row, rules: Row) -> float:
    """Return by how much the bars of a series are higher for being sampled often; 0 while its interval is unknown."""
    if 0.0 < series.interval_s <= _OFTEN_S:
        return float(rules.sampling_slope * log10(_USUAL_INTERVAL_S / series.interval_s))
    return 0.0


@compiled
def judge(series: Row, rules: Row, evidence: float, channel: int, raised: float) -> tuple[int, int, float]:
    """Return reason, level and bar of what a channel says of a record, and remember it; all bars are ``raised``."""
    lowest = rules.lowest + raised
    if evidence < lowest:
        return _BELOW_THRESHOLD, 0, lowest
    reason, fired, bar = _NOT_PERSISTENT, 0, lowest
    for level in range(LEVELS):
        threshold, cell = _threshold(rules, level) + raised, channel * LEVELS + level
        if evidence < threshold or not _persists(series, rules, cell):
            continue
        level_bar = threshold + _raised_by_alerts(series, rules, cell)
        if evidence >= level_bar:
            reason, fired, bar = _ALERTED, level + 1, level_bar
        elif fired == 0:
            reason, bar = _IN_REFRACTORY, level_bar
    for level in range(fired):
        _remember_alert(series, rules, channel * LEVELS + level)
    return reason, fired, bar


@compiled
def weigh(series: Row, rules: Row, evidence: float, channel: int, raised: float, bars: NDArray[np.void]) -> None:
    """Write what every level of a channel asks of this record into ``(3,)`` rows of `BAR`; nothing is remembered."""
    for level in range(LEVELS):
        bar, cell = bars[level], channel * LEVELS + level
        bar.threshold = _threshold(rules, level) + raised
        bar.alerts = _alerts_remembered(series, rules, cell)
        bar.habituation = rules.habituation * log1p(bar.alerts)
        bar.bump = _bump_left(series, rules, cell)
        bar.bar = bar.threshold + _raised_by_alerts(series, rules, cell)
        bar.since_alert = series.rows - series.touched[cell] if series.touched[cell] > 0 else -1
        bar.hits = _count_hits(_past_hits(series, cell), rules.of) + (1 if evidence >= bar.threshold else 0)


@compiled
def outranks(reason: int, level: int, reason_so_far: int, level_so_far: int) -> bool:
    """Tell whether the verdict of a further channel is that of the record."""
    if level != level_so_far:
        return level > level_so_far
    return level == 0 and reason_so_far == _BELOW_THRESHOLD and reason != _BELOW_THRESHOLD


@compiled
def judge_history(series: Row, rules: Row, evidence: NDArray[np.float64], level: NDArray[np.uint8]) -> None:
    """Judge the evidence of one series' records in order, as the fused kernel does; NaN is not judged.

    Parameters
    ----------
    series, rules
        ``(1,)`` the memory of a new series, and the rules of a channel.
    evidence, level
        ``(n,)`` evidence of its accepted records, and the level of each alert, written in place; 0 for none.
    """
    for record in range(len(evidence)):
        series[0].rows += 1
        level[record] = 0
        if not isnan(evidence[record]):
            _, fired, _ = judge(series[0], rules[0], evidence[record], 0, 0.0)
            level[record] = fired


@compiled
def _threshold(rules: Row, level: int) -> float:
    if level == 0:
        return rules.watch
    return rules.warning if level == 1 else rules.critical


@compiled
def _persists(series: Row, rules: Row, cell: int) -> bool:
    """Note that this record reached the threshold, and tell whether enough of the last ones did."""
    bits = _past_hits(series, cell) | np.uint64(1)
    series.hits[cell] = bits
    series.hit_row[cell] = series.rows
    return _count_hits(bits, rules.of) >= rules.hits


@compiled
def _past_hits(series: Row, cell: int) -> np.uint64:
    """Return which records before this one reached the threshold: bit i, the record i before."""
    age = series.rows - series.hit_row[cell]
    return series.hits[cell] << np.uint64(age) if 0 <= age < 64 else np.uint64(0)


@compiled
def _count_hits(bits: np.uint64, of: int) -> int:
    count = 0
    for position in range(of):
        count += int((bits >> np.uint64(position)) & np.uint64(1))
    return count


@compiled
def _raised_by_alerts(series: Row, rules: Row, cell: int) -> float:
    """Return by how much past alerts raise the bar now."""
    return rules.habituation * log1p(_alerts_remembered(series, rules, cell)) + _bump_left(series, rules, cell)


@compiled
def _alerts_remembered(series: Row, rules: Row, cell: int) -> float:
    """Return A as of this record."""
    return series.habituation[cell] * 0.5 ** ((series.rows - series.touched[cell]) / rules.habituation_half_life)


@compiled
def _bump_left(series: Row, rules: Row, cell: int) -> float:
    """Return B as of this record."""
    return series.bump[cell] * 0.5 ** ((series.rows - series.touched[cell]) / rules.bump_half_life)


@compiled
def _remember_alert(series: Row, rules: Row, cell: int) -> None:
    series.habituation[cell] = _alerts_remembered(series, rules, cell)
    if series.rows > rules.habituation_from:
        series.habituation[cell] += 1.0
    series.bump[cell] = rules.bump
    series.touched[cell] = series.rows
