"""Sections of native detectors: every field of a detector's options is a key."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, create_model

from pynomaly.application.spec.detect import NativePart
from pynomaly.application.spec.option import from_options, option_keys
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors import NATIVE_DETECTORS, Detector


def native_part(detector: Detector) -> type[NativePart]:
    """Return the section of a native detector.

    Raises
    ------
    TypeError
        When an option is called like a key that every native detector has.
    """
    taken = {field.name for field in fields(detector.options)} & {*NativePart.model_fields, "as"}
    if taken:
        raise TypeError(f"options of {detector.name} must not be called {', '.join(sorted(taken))}: keys of every part")
    part = create_model(
        detector.name,
        __base__=NativePart,
        __doc__=detector.options.__doc__,
        detector=(cast("type[str]", Literal[detector.name]), Field(description="Which detector.")),
        **option_keys(detector.options),
        **_calibration(detector),
    )
    part.native = detector
    return part


def _calibration(detector: Detector) -> dict[str, Any]:
    """Return the key `calibration` with the detector's own defaults, where it has any."""
    own, inherited = detector.calibration, NativePart.model_fields["calibration"]
    if own == inherited.default:
        return {}
    kind = Annotated[CalibrationOptions, from_options(CalibrationOptions, own)]
    return {"calibration": (kind, Field(own, description=inherited.description))}


#: The sections of all native detectors, by name.
NATIVE_PARTS: Final = {name: native_part(detector) for name, detector in NATIVE_DETECTORS.items()}
