"""From an entry of `detectors` to its section: a native detector's name and options, or a class of River or PyOD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Final, Literal, Union, cast

from pydantic import Field, create_model

from pynomaly.application.spec.complaint import Complaint, as_validation_error, one_of
from pynomaly.application.spec.detect import NativePart, PartSpec, PyodPart, RiverPart
from pynomaly.application.spec.option import option_keys
from pynomaly.application.spec.section import ReadBy
from pynomaly.domain.detectors import NATIVE_DETECTORS, Detector


def native_part(detector: Detector) -> type[NativePart]:
    """Return the section of a native detector: every field of its options is a key.

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
    )
    part.native = detector
    return part


_NATIVE: Final = {name: native_part(detector) for name, detector in NATIVE_DETECTORS.items()}
_ADAPTED: Final[dict[str, type[PartSpec]]] = {"river": RiverPart, "pyod": PyodPart}


def _read_entry(given: object) -> PartSpec:
    if isinstance(given, PartSpec):
        return given
    if isinstance(given, str):
        return _native(given, ()).model_validate({"detector": given})
    if not isinstance(given, Mapping):
        raise ValueError("must be the name of a detector or a mapping")  # noqa: TRY004 - pydantic collects ValueErrors
    entry = cast("Mapping[str, object]", given)
    origins = [origin for origin in ("detector", *_ADAPTED) if origin in entry]
    if len(origins) != 1:
        raise ValueError("must have exactly one of the keys detector, river and pyod")
    origin = origins[0]
    section = _native(entry[origin], (origin,)) if origin == "detector" else _ADAPTED[origin]
    return section.model_validate(entry)


def _native(name: object, path: tuple[str, ...]) -> type[NativePart]:
    if isinstance(name, str) and name in _NATIVE:
        return _NATIVE[name]
    raise as_validation_error("detector", [Complaint(path, one_of(name, tuple(_NATIVE)), name)])


if TYPE_CHECKING:
    _Written = object
else:
    # What a file may say, for the JSON Schema: a bare name, or one of the sections above.
    _Written = Union[(Literal[tuple(_NATIVE)], *_NATIVE.values(), *_ADAPTED.values())]

EntrySpec = Annotated[PartSpec, ReadBy(_read_entry, _Written)]
