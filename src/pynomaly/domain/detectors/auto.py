"""The default detector: several detectors, each against its own past, whose surprises add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from pynomaly.domain.calibration import CalibrationOptions, calibrator_layout
from pynomaly.domain.detectors.adaptive_jump import ADAPTIVE_JUMP, AdaptiveJumpOptions
from pynomaly.domain.detectors.description import DetectorDescription, described
from pynomaly.domain.detectors.exceedance_rate import EXCEEDANCE_RATE
from pynomaly.domain.detectors.joint_profile import JOINT_PROFILE, JointProfileOptions
from pynomaly.domain.detectors.left_matrix_profile import LEFT_MATRIX_PROFILE, LeftMatrixProfileOptions
from pynomaly.domain.detectors.relative_entropy import RELATIVE_ENTROPY
from pynomaly.domain.detectors.running_range import RUNNING_RANGE
from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.detectors.seasonal_slot import SEASONAL_SLOT
from pynomaly.domain.detectors.shape_profile import SHAPE_PROFILE
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class AutoOptions(Options):
    """Several detectors that together find most of what people call an anomaly, with nothing to set.

    Each looks at every field by itself, and each score counts by how rare it is in the series' own past; only what is
    rarer than one record in ten adds to the evidence, so that detectors that see nothing are silent. Of tier `light`
    are `range` (a value never seen before), `slot` (not at this time of day; only where there is a clock), `entropy`
    (recent values are distributed otherwise than usual), `rate` (many far values lately) and `jump`; `standard` adds
    `profile` (a shape that the last ``horizon`` records do not hold); `deep` adds `shape` (see `shape_profile`), which
    ranks longer anomalies by the period of the series. `jump` and `shape` alert by themselves, under policies of their
    own: see `adaptive_jump`. The preset `kpi` is `jump` alone, for business and web metrics by the minute.

    More than three fields are looked at ``together``, by `joint` alone (see `joint_profile`): the noise of parts that
    look at every field would add up. Its horizon is 256 records in tier `light`, 1,000 in `standard`, 2,000 in `deep`.

    Catches spikes, dips, shifts, bursts, silence in the values, odd times and odd shapes. Fails on slow drifts, and on
    series shorter than a few hundred records, of which it says nothing. Without a clock a `watch` alert takes evidence
    1.7 instead of 2.3, because the part that looks at the time of day is missing. A series that is sampled every two
    minutes or more often has higher bars, by 5 for each tenfold of records beyond one in 5 minutes: people count false
    alerts by the day. Cost: the sum of its parts; with their calibrators 12,488 bytes a series, 4,640 of tier `light`.
    The parts, their options and the sum were chosen on the Numenta Anomaly Benchmark.
    """

    tier: Literal["light", "standard", "deep"] = option(
        "standard", "how much it may cost", choices=("light", "standard", "deep")
    )
    preset: Literal["general", "kpi"] = option("general", "what the series are", choices=("general", "kpi"))
    horizon: int = option(500, "records back in which `profile` looks for the same shape", low=150, high=100_000)
    together: bool | None = option(None, "whether fields are looked at together; none: if there are more than three")


@dataclass(frozen=True, slots=True)
class Member:
    """One part of a bundle.

    Parameters
    ----------
    name
        Short, unique in the bundle.
    detector, options
        What it is.
    """

    name: str
    detector: Detector
    options: Options

    @property
    def calibration(self) -> CalibrationOptions:
        """How its scores become severities where nobody says otherwise: the alert levels were chosen with this."""
        return replace(self.detector.calibration, resolution=CALIBRATION.resolution)


@dataclass(frozen=True, slots=True)
class AlertDefaults:
    """What an operator who sets no alert levels gets beside a bundle: the lowest level, and `sampling_slope`."""

    watch: float = 2.3
    sampling_slope: float = 0.0


NAME: Final = "auto"
CALIBRATION: Final = CalibrationOptions(resolution="coarse")
_MOST_FIELDS_APART: Final = 3
_JOINT_HORIZON: Final = {"light": 256, "standard": 1_000, "deep": 2_000}


def members(options: AutoOptions, fields: int, *, has_clock: bool) -> tuple[Member, ...]:
    """Return the parts that look at each of so many fields, or at all of them together."""
    if options.preset == "kpi":
        return (Member("jump", ADAPTIVE_JUMP, AdaptiveJumpOptions(gate=False)),)
    if _looks_at_all(options, fields):
        return (Member("joint", JOINT_PROFILE, JointProfileOptions(horizon=_JOINT_HORIZON[options.tier])),)
    return tuple(_of_each_field(options, has_clock=has_clock))


def alert_defaults(options: AutoOptions, fields: int, *, has_clock: bool) -> AlertDefaults:
    """Return the alert levels that suit its parts."""
    if options.preset == "kpi" or _looks_at_all(options, fields):
        return AlertDefaults()
    return AlertDefaults(watch=2.3 if has_clock else 1.7, sampling_slope=5.0)


def describe_auto() -> DetectorDescription:
    """Describe the default detector; its memory is that of its parts, with their calibrators."""
    defaults = AutoOptions()
    parts = members(defaults, 1, has_clock=True)
    calibrator = calibrator_layout(CalibrationOptions()).bytes_per_series
    size = sum(part.detector.layout(part.options, 1).bytes_per_series for part in parts)
    size += calibrator * sum(part.detector.scale == "raw" for part in parts)
    return described(NAME, defaults, "evidence", takes_vector=False, bytes_per_series=size)


def _looks_at_all(options: AutoOptions, fields: int) -> bool:
    if options.together is None:
        return fields > _MOST_FIELDS_APART
    return options.together and fields > 1


def _of_each_field(options: AutoOptions, *, has_clock: bool) -> Iterator[Member]:
    if has_clock:
        yield _default("slot", SEASONAL_SLOT)  # first, because the first that expects a value tells it
    yield _default("range", RUNNING_RANGE)
    yield _default("entropy", RELATIVE_ENTROPY)
    yield _default("rate", EXCEEDANCE_RATE)
    if options.tier != "light":
        yield Member("profile", LEFT_MATRIX_PROFILE, LeftMatrixProfileOptions(horizon=options.horizon))
    yield _default("jump", ADAPTIVE_JUMP)
    if options.tier == "deep":
        yield _default("shape", SHAPE_PROFILE)


def _default(name: str, detector: Detector) -> Member:
    return Member(name, detector, detector.options())
