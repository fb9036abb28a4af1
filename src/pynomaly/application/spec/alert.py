"""When evidence becomes an alert, and how urgent it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from pynomaly.application.spec.option import option_key
from pynomaly.application.spec.section import Section
from pynomaly.domain.alert_policy import AlertPolicyOptions
from pynomaly.domain.detectors.auto import AlertDefaults
from pynomaly.domain.outcome import Level


class LevelsSpec(Section):
    """Evidence at which each level begins; a level without a number never alerts."""

    watch: float | None = Field(None, ge=0, le=1e6)
    """Worth a look."""
    warning: float | None = Field(None, ge=0, le=1e6)
    """Worth an interruption."""
    critical: float | None = Field(None, ge=0, le=1e6)
    """Worth waking someone."""

    @field_validator("warning", "critical")
    @classmethod
    def _above_lower_levels(cls, bar: float | None, info: ValidationInfo) -> float | None:
        lower = [known for known in info.data.values() if known is not None]
        if bar is not None and lower and bar <= max(lower):
            raise ValueError("must be greater than the level below it")
        return bar


class AlertSpec(Section):
    """Alert at a level when the evidence reaches its bar: level + habituation * ln(1 + past alerts) + bump.

    Each level keeps its own memory, so that a series that alerts at `watch` still alerts when it gets worse.
    """

    levels: LevelsSpec | None = None
    """Evidence of each level; none: watch 2.3 (1.7 with `auto` and no clock), warning 4 and critical 6, as far as the
    parts can reach them."""
    bump: float = option_key(AlertPolicyOptions, "bump")
    bump_half_life: float = option_key(AlertPolicyOptions, "bump_half_life")
    habituation: float = option_key(AlertPolicyOptions, "habituation")
    habituation_half_life: float = option_key(AlertPolicyOptions, "habituation_half_life")
    habituation_from: int = option_key(AlertPolicyOptions, "habituation_from")
    sampling_slope: Annotated[float, Field(ge=0, le=100)] | None = None
    """Added to every bar of a series that is sampled every 2 minutes or more often, for each tenfold of records beyond
    one in 5 minutes; none: 5 with `auto`, else 0."""

    @field_validator("levels")
    @classmethod
    def _alerts_at_all(cls, levels: LevelsSpec | None) -> LevelsSpec | None:
        if levels is not None and {levels.watch, levels.warning, levels.critical} == {None}:
            raise ValueError("must give at least one of watch, warning and critical")
        return levels

    def bars(self, reach: float, defaults: AlertDefaults) -> dict[Level, float]:
        """Return the evidence of each level of parts that together reach at most this evidence; maybe none."""
        levels = self.levels or _default_levels(reach, defaults)
        bars = {Level.WATCH: levels.watch, Level.WARNING: levels.warning, Level.CRITICAL: levels.critical}
        return {level: bar for level, bar in bars.items() if bar is not None}

    def policy(self, reach: float, defaults: AlertDefaults) -> AlertPolicyOptions:
        """Return the alert policy of parts that together reach at most this evidence."""
        levels = self.levels or _default_levels(reach, defaults)
        return AlertPolicyOptions(
            watch=levels.watch,
            warning=levels.warning,
            critical=levels.critical,
            bump=self.bump,
            bump_half_life=self.bump_half_life,
            habituation=self.habituation,
            habituation_half_life=self.habituation_half_life,
            habituation_from=self.habituation_from,
            sampling_slope=defaults.sampling_slope if self.sampling_slope is None else self.sampling_slope,
        )

    def own_policy(self, policy: AlertPolicyOptions) -> AlertPolicyOptions:
        """Return the policy of a part that alerts by itself: the levels are those of the flow, where it gives any."""
        if self.levels is None:
            return policy
        levels = self.levels
        return replace(policy, watch=levels.watch, warning=levels.warning, critical=levels.critical)


def levels_of(policy: AlertPolicyOptions) -> dict[Level, float]:
    """Return the evidence of each level that is in use, lowest first."""
    bars = {Level.WATCH: policy.watch, Level.WARNING: policy.warning, Level.CRITICAL: policy.critical}
    return {level: bar for level, bar in bars.items() if bar is not None}


def _default_levels(reach: float, defaults: AlertDefaults) -> LevelsSpec:
    bars = levels_of(AlertPolicyOptions(watch=defaults.watch))
    return LevelsSpec(**{level.label: bar for level, bar in bars.items() if bar <= reach})
