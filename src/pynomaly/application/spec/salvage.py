"""What of a flow is sound although something in it is wrong, so that one mistake does not hide another.

A wrong or unknown key is left out, and its section is compared with the others as if it were not there, unless rules
between sections compare that very key: nothing is then known of the section.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, cast

from pydantic import TypeAdapter, ValidationError

from pynomaly.application.spec.complaint import Path
from pynomaly.application.spec.entry import EntrySpec
from pynomaly.application.spec.flow import FlowSpec, with_dataset_record

#: Keys that rules between sections compare.
_COMPARED: Final = frozenset(
    {
        *("kind", "name", "bootstrap", "topic", "broker", "path"),  # of inputs and outputs
        *("values", "series_from", "aggregates"),
        *("detector", "river", "pyod", "as", "fields"),
        *("cap", "hits", "of", "levels"),
    }
)
_ENTRY: Final[TypeAdapter[object]] = TypeAdapter(EntrySpec)


def sound_sections(tree: Mapping[str, object], faults: Sequence[Path]) -> dict[str, object]:
    """Return the sections of which enough is known, as `broken_rules` takes them.

    Parameters
    ----------
    tree
        The whole flow.
    faults
        Where something is wrong in it, or was meant to stand.
    """
    given = cast("Mapping[str, object]", with_dataset_record(tree))
    sections: dict[str, object] = {}
    for name, field in FlowSpec.model_fields.items():
        below = _below(name, faults)
        if name in given:
            kind = cast("type[object]", Annotated[field.annotation, field])
            sections.update(_read(name, TypeAdapter(kind), given[name], below))
        elif not field.is_required() and () not in below:
            sections[name] = field.get_default()
    return sections | _sound_entries(given.get("detectors"), _below("detectors", faults))


def _sound_entries(given: object, faults: Sequence[Path]) -> dict[str, object]:
    if not isinstance(given, list | tuple) or () in faults:
        return {}
    entries: dict[object, object] = {}
    for number, entry in enumerate(cast("Sequence[object]", given)):
        entries.update(_read(number, _ENTRY, entry, _below(number, faults)))
    return {"entries": entries}


def _read(key: object, adapter: TypeAdapter[Any], given: object, faults: Sequence[Path]) -> dict[Any, object]:
    """Return what is known under a key as its only entry, or nothing."""
    entries_apart = key == "detectors" and isinstance(given, list | tuple)
    steps = (path[1:] if entries_apart else path for path in faults)
    if any(_is_compared(path) for path in steps):
        return {}
    try:
        return {key: adapter.validate_python(_without(given, faults))}
    except ValidationError:
        return {}


def _is_compared(path: Path) -> bool:
    return not path or not _COMPARED.isdisjoint(path)


def _below(step: str | int, paths: Iterable[Path]) -> list[Path]:
    return [path[1:] for path in paths if path[:1] == (step,)]


def _without(node: object, paths: Sequence[Path]) -> object:
    """Return a tree without what stands at some paths; entries of lists stay."""
    if isinstance(node, Mapping):
        mapping = cast("Mapping[str, object]", node)
        return {key: _without(value, _below(key, paths)) for key, value in mapping.items() if (key,) not in paths}
    if isinstance(node, list | tuple):
        entries = cast("Sequence[object]", node)
        return [_without(entry, _below(number, paths)) for number, entry in enumerate(entries)]
    return node
