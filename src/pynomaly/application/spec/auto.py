"""The default detector as an entry of `detectors`, and the parts that it stands for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pynomaly.application.spec.detect import PartSpec
from pynomaly.application.spec.native import NATIVE_PARTS
from pynomaly.application.spec.option import from_options, option_key, to_options
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors.auto import CALIBRATION, AlertDefaults, AutoOptions, Member, alert_defaults, members

_OF_ITS_PARTS = "name its parts as entries of their own, to set it for one of them"


class AutoPart(PartSpec):  # noqa: D101 - what it is stands with its options
    __doc__ = AutoOptions.__doc__

    absent: ClassVar = dict.fromkeys(("guard", "direction", "minimum_absolute", "minimum_relative"), _OF_ITS_PARTS)

    detector: Literal["auto"] = Field("auto", description="Which detector.")
    calibration: Annotated[CalibrationOptions, from_options(CalibrationOptions, CALIBRATION)] = CALIBRATION
    """How its parts' scores become severities."""
    tier: Literal["light", "standard", "deep"] = option_key(AutoOptions, "tier")
    preset: Literal["general", "kpi"] = option_key(AutoOptions, "preset")
    horizon: int = option_key(AutoOptions, "horizon")
    together: bool | None = option_key(AutoOptions, "together")

    @property
    def detects_with(self) -> str:
        """What the detector is called where it comes from."""
        return self.detector

    @property
    def options(self) -> AutoOptions:
        """Its options."""
        return to_options(AutoOptions, self)

    def stands_for(self, fields: int, *, has_clock: bool) -> tuple[PartSpec, ...]:
        """Return its parts, which are detectors like any other."""
        return tuple(self._part(member) for member in members(self.options, fields, has_clock=has_clock))

    def alert_defaults(self, fields: int, *, has_clock: bool) -> AlertDefaults:
        """Return the alert levels that suit its parts."""
        return alert_defaults(self.options, fields, has_clock=has_clock)

    def _part(self, member: Member) -> PartSpec:
        section = NATIVE_PARTS[member.detector.name]
        chosen = self.calibration if "calibration" in self.model_fields_set else member.calibration
        calibration = {"calibration": chosen} if member.detector.scale == "raw" else {}
        return section.model_validate(
            {
                "detector": member.detector.name,
                "as": f"{self.title}.{member.name}",
                "fields": self.fields,
                **asdict(member.options),
                **calibration,
            }
        )
