"""Sections of detectors that a flow calls by a name of their own: every field of a detector's options is a key."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Final, Literal, TypeVar, cast

from pydantic import Field, create_model

from pynomaly.application.spec.detect import AdaptedDetectorPart, NativePart, PartSpec
from pynomaly.application.spec.option import from_options, option_keys
from pynomaly.domain.adapted import AdaptedDetector
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors import NATIVE_DETECTORS, Detector

PartT = TypeVar("PartT", bound=PartSpec)


def native_part(detector: Detector) -> type[NativePart]:
    """Return the section of a native detector.

    Raises
    ------
    TypeError
        When an option has no default, or is called like something that every section has.
    """
    part = _section(detector, NativePart, **_calibration(detector))
    part.native = detector
    return part


def adapted_part(detector: AdaptedDetector) -> type[AdaptedDetectorPart]:
    """Return the section of an adapted detector.

    Raises
    ------
    TypeError
        See `native_part`.
    """
    part = _section(detector, AdaptedDetectorPart)
    part.adapted = detector
    return part


def _section(detector: Detector | AdaptedDetector, base: type[PartT], **keys: Any) -> type[PartT]:
    names = [option.name for option in fields(detector.options)]
    taken = [name for name in names if name == "as" or name in base.model_fields or hasattr(base, name)]
    if taken:
        raise TypeError(f"options of {detector.name} must not be called {', '.join(taken)}: words of every part")
    return create_model(
        detector.name,
        __base__=base,
        __doc__=detector.options.__doc__,
        detector=(cast("type[str]", Literal[detector.name]), Field(description="Which detector.")),
        **option_keys(detector.options),
        **keys,
    )


def _calibration(detector: Detector) -> dict[str, Any]:
    """Return the key `calibration` with the detector's own defaults, where it has any."""
    own, inherited = detector.calibration, NativePart.model_fields["calibration"]
    if own == inherited.default:
        return {}
    kind = Annotated[CalibrationOptions, from_options(CalibrationOptions, own)]
    return {"calibration": (kind, Field(own, description=inherited.description))}


#: The sections of all native detectors, by name.
NATIVE_PARTS: Final = {name: native_part(detector) for name, detector in NATIVE_DETECTORS.items()}
