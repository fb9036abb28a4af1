"""The default detector: several detectors, each against its own past, whose surprises add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pynomaly.domain.calibration import CalibrationOptions, calibrator_layout
from pynomaly.domain.detectors.adaptive_jump import ADAPTIVE_JUMP, AdaptiveJumpOptions
from pynomaly.domain.detectors.description import DetectorDescription, described
from pynomaly.domain.detectors.exceedance_rate import EXCEEDANCE_RATE
from pynomaly.domain.detectors.left_matrix_profile import LEFT_MATRIX_PROFILE, LeftMatrixProfileOptions
from pynomaly.domain.detectors.relative_entropy import RELATIVE_ENTROPY
from pynomaly.domain.detectors.running_range import RUNNING_RANGE
from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.detectors.seasonal_slot import SEASONAL_SLOT
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class AutoOptions(Options):
    """Several detectors that together find most of what people call an anomaly, with nothing to set.

    Each looks at every field by itself, and each score counts by how rare it is in the series' own past; only what is
    rarer than one record in ten adds to the evidence, so that detectors that see nothing are silent. Of tier `light`
    are `range` (a value never seen before), `slot` (not at this time of day; only where there is a clock), `entropy`
    (recent values are distributed otherwise than usual), `rate` (many far values lately) and `jump`; `standard` adds
    `profile` (a shape that the last ``horizon`` records do not hold). `jump` alerts by itself, under a policy of its
    own: see `adaptive_jump`. The preset `kpi` is `jump` alone, for business and web metrics by the minute.

    Catches spikes, dips, shifts, bursts, silence in the values, odd times and odd shapes. Fails on slow drifts, and on
    series shorter than a few hundred records, of which it says nothing. Without a clock a `watch` alert takes evidence
    1.7 instead of 2.3, because the part that looks at the time of day is missing. A series that is sampled every two
    minutes or more often has higher bars, by 5 for each tenfold of records beyond one in 5 minutes: people count false
    alerts by the day. Cost: the sum of its parts; with their calibrators 12,488 bytes a series, 4,640 of tier `light`.
    The parts, their options and the sum were chosen on the Numenta Anomaly Benchmark.
    """

    tier: Literal["light", "standard"] = option("standard", "how much it may cost", choices=("light", "standard"))
    preset: Literal["general", "kpi"] = option("general", "what the series are", choices=("general", "kpi"))
    horizon: int = option(500, "records back in which `profile` looks for the same shape", low=150, high=100_000)


@dataclass(frozen=True, slots=True)
class Member:
    """One part of a bundle.

    Parameters
    ----------
    name
        Short, unique in the bundle.
    detector, options
        What it is; it looks at one field.
    """

    name: str
    detector: Detector
    options: Options


@dataclass(frozen=True, slots=True)
class AlertDefaults:
    """What an operator who sets no alert levels gets beside a bundle: the lowest level, and `sampling_slope`."""

    watch: float = 2.3
    sampling_slope: float = 0.0


NAME: Final = "auto"


def members(options: AutoOptions, *, has_clock: bool) -> tuple[Member, ...]:
    """Return the parts that look at each field."""
    return tuple(_members(options, has_clock=has_clock))


def alert_defaults(options: AutoOptions, *, has_clock: bool) -> AlertDefaults:
    """Return the alert levels that suit its parts."""
    if options.preset == "kpi":
        return AlertDefaults()
    return AlertDefaults(watch=2.3 if has_clock else 1.7, sampling_slope=5.0)


def describe_auto() -> DetectorDescription:
    """Describe the default detector; its memory is that of its parts, with their calibrators."""
    defaults = AutoOptions()
    parts = members(defaults, has_clock=True)
    calibrator = calibrator_layout(CalibrationOptions()).bytes_per_series
    size = sum(part.detector.layout(part.options, 1).bytes_per_series for part in parts)
    size += calibrator * sum(part.detector.scale == "raw" for part in parts)
    return described(NAME, defaults, "evidence", takes_vector=False, bytes_per_series=size)


def _members(options: AutoOptions, *, has_clock: bool) -> Iterator[Member]:
    if options.preset == "kpi":
        yield Member("jump", ADAPTIVE_JUMP, AdaptiveJumpOptions(gate=False))
        return
    if has_clock:
        yield _default("slot", SEASONAL_SLOT)  # first, because the first that expects a value tells it
    yield _default("range", RUNNING_RANGE)
    yield _default("entropy", RELATIVE_ENTROPY)
    yield _default("rate", EXCEEDANCE_RATE)
    if options.tier == "standard":
        yield Member("profile", LEFT_MATRIX_PROFILE, LeftMatrixProfileOptions(horizon=options.horizon))
    yield _default("jump", ADAPTIVE_JUMP)


def _default(name: str, detector: Detector) -> Member:
    return Member(name, detector, detector.options())
