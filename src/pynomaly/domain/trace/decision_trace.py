"""One decision, taken apart: what each part said, what it added up to, and what each level asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.seam import Scale
from pynomaly.domain.outcome import Level, Reason


@dataclass(frozen=True, slots=True)
class LevelTrace:
    """What one level of a channel asked of a record.

    Parameters
    ----------
    level
        Which one.
    threshold
        Evidence of the level as the flow has it.
    sampling
        Added because the series is sampled often.
    habituation, alerts
        Added because of past alerts, and how many of them are remembered.
    bump, since_alert
        Added because of the last alert, and how many records ago that was; None: there was none.
    bump_gone_after
        Records until the bump is below 0.1.
    bar
        The sum: what the evidence had to reach.
    hits, needed_hits, of
        Of the series' last ``of`` records, this one included, how many reached the threshold, and how many must.
    evidence
        What was there.
    """

    level: Level
    threshold: float
    sampling: float
    habituation: float
    alerts: float
    bump: float
    since_alert: int | None
    bump_gone_after: int
    bar: float
    hits: int
    needed_hits: int
    of: int
    evidence: float

    @property
    def reaches_threshold(self) -> bool:
        """Whether the record counts as a hit of this level."""
        return self.evidence >= self.threshold + self.sampling

    @property
    def persists(self) -> bool:
        """Whether enough of the last records, this one included, were hits."""
        return self.reaches_threshold and self.hits >= self.needed_hits

    @property
    def fires(self) -> bool:
        """Whether all that the level asks for is there."""
        return self.persists and self.evidence >= self.bar

    @property
    def missing(self) -> float:
        """Evidence that was missing; 0 or less where there was enough."""
        return self.bar - self.evidence


@dataclass(frozen=True, slots=True)
class ChannelTrace:
    """What is judged by itself: the common evidence, or one part with a policy of its own.

    Parameters
    ----------
    part
        The part; None: the common evidence.
    evidence
        What the parts added up to; NaN where none of them knew anything.
    held_back
        What more they would have added, had no rule held it back.
    reason, level, bar
        The verdict; None, 0 and NaN where nothing was known.
    levels
        What each level of the flow asked for, the lowest first.
    """

    part: str | None
    evidence: float
    held_back: float
    reason: Reason | None
    level: Level
    bar: float
    levels: tuple[LevelTrace, ...]


@dataclass(frozen=True, slots=True)
class PartTrace:
    """What one part said.

    Parameters
    ----------
    part, fields
        Its name, and the columns it looked at.
    detector
        Name of a native detector; None for an adapted one.
    scale
        What its scores mean.
    score, severity
        As in `Outcomes`; NaN while unknown.
    contribution
        What it added to the evidence of its channel.
    held_back
        The rule for which it did not count; None: none did.
    would_have_added
        Its contribution if no rule had held it back.
    expected
        The value that would have been ordinary; NaN where it knows of none.
    kept_from_learning
        Whether the learning guard kept the record from it.
    channel
        Number of its channel.
    """

    part: str
    fields: tuple[int, ...]
    detector: str | None
    scale: Scale
    score: float
    severity: float
    contribution: float
    held_back: Reason | None
    would_have_added: float
    expected: float
    kept_from_learning: bool
    channel: int


@dataclass(frozen=True, slots=True)
class DecisionTrace:
    """A decision, taken apart.

    Parameters
    ----------
    reason, level, evidence, bar
        The verdict, as in `Outcomes`.
    judged
        Number of the channel whose verdict it is; None while all are warming.
    channels
        The common evidence first.
    parts
        In the order of the plan.
    expected
        ``(d,)`` as in `Outcomes`.
    records
        Records of the series until now, this one included.
    """

    reason: Reason
    level: Level
    evidence: float
    bar: float
    judged: int | None
    channels: tuple[ChannelTrace, ...]
    parts: tuple[PartTrace, ...]
    expected: NDArray[np.float64]
    records: int

    @property
    def fired(self) -> tuple[PartTrace, ...]:
        """Parts that added to the evidence that decided, strongest first."""
        counted = [part for part in self.parts if part.channel == self.judged and part.contribution > 0.0]
        return tuple(sorted(counted, key=lambda part: -part.contribution))

    @property
    def nearest_level(self) -> LevelTrace | None:
        """The level above the record's, of any channel, to which least evidence was missing; None where none is known.

        Of several that lack none, for want of hits, the lowest.
        """
        higher = [
            level
            for channel in self.channels
            for level in channel.levels
            if channel.reason is not None and level.level > self.level
        ]
        return min(higher, key=lambda level: (max(level.missing, 0.0), level.level), default=None)
