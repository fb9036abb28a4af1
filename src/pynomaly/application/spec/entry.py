"""From an entry of `detectors` to its section: a detector's name and options, or a class of River or PyOD.

The published schema names the detectors of this distribution; a flow may name those of installed plug-ins as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal, Union, cast

from pynomaly.application.plugin import plugin_names
from pynomaly.application.spec.auto import AutoPart
from pynomaly.application.spec.complaint import Complaint, as_validation_error, one_of
from pynomaly.application.spec.detect import PartSpec, PyodPart, RiverPart
from pynomaly.application.spec.native import NATIVE_PARTS
from pynomaly.application.spec.plugin_part import plugin_part
from pynomaly.application.spec.section import ReadBy
from pynomaly.domain.detectors.auto import NAME as AUTO
from pynomaly.domain.error import ConfigError

_NAMED: Final[dict[str, type[PartSpec]]] = {AUTO: AutoPart, **NATIVE_PARTS}
_ADAPTED: Final[dict[str, type[PartSpec]]] = {"river": RiverPart, "pyod": PyodPart}


def _read_entry(given: object) -> PartSpec:
    if isinstance(given, PartSpec):
        return given
    if isinstance(given, str):
        return _named(given, ()).model_validate({"detector": given})
    if not isinstance(given, Mapping):
        raise ValueError("must be the name of a detector or a mapping")  # noqa: TRY004 - pydantic collects ValueErrors
    entry = cast("Mapping[str, object]", given)
    origins = [origin for origin in ("detector", *_ADAPTED) if origin in entry]
    if len(origins) != 1:
        raise ValueError("must have exactly one of the keys detector, river and pyod")
    origin = origins[0]
    section = _named(entry[origin], (origin,)) if origin == "detector" else _ADAPTED[origin]
    return section.model_validate(entry)


def _named(name: object, path: tuple[str, ...]) -> type[PartSpec]:
    if isinstance(name, str) and name in _NAMED:
        return _NAMED[name]
    try:
        part = plugin_part(name) if isinstance(name, str) else None
    except ConfigError as error:
        raise as_validation_error("detector", [Complaint(path, each.rule) for each in error.problems]) from error
    if part is not None:
        return part
    raise as_validation_error("detector", [Complaint(path, one_of(name, (*_NAMED, *plugin_names())), name)])


if TYPE_CHECKING:
    _Written = object
else:
    # What a file may say, for the JSON Schema: a bare name, or one of the sections above.
    _Written = Union[(Literal[tuple(_NAMED)], *_NAMED.values(), *_ADAPTED.values())]

EntrySpec = Annotated[PartSpec, ReadBy(_read_entry, _Written)]
