"""From a tree of plain values, as YAML or JSON gives it, to a flow, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pydantic import ValidationError

from pynomaly.application.spec.check import broken_rules
from pynomaly.application.spec.complaint import Complaint, Path, complaints_of
from pynomaly.application.spec.flow import FlowSpec, dataset_of
from pynomaly.application.spec.salvage import sound_sections
from pynomaly.domain.error import ConfigError


def parse_flow(
    tree: object, *, origins: Mapping[Path, str] | None = None, complaints: Sequence[Complaint] = ()
) -> FlowSpec:
    """Return the flow that a tree of mappings, lists and scalars describes.

    Parameters
    ----------
    tree
        What the flow's file says.
    origins
        Scalars that did not stand in the file, with the reference that brought them; they are not shown.
    complaints
        What was found wrong before; nothing else is said of those places.

    Raises
    ------
    ConfigError
        With every problem, in the order of the tree.
    """
    known = {complaint.path for complaint in complaints}
    found = list(complaints)
    try:
        flow = FlowSpec.model_validate(tree)
    except ValidationError as error:
        flow = None
        found.extend(complaint for complaint in _complaints(error, tree) if complaint.path not in known)
    if flow is not None and not found:
        return flow
    found.sort(key=lambda complaint: _position(complaint.path, tree))
    raise ConfigError(*(complaint.problem(origins or {}) for complaint in found))


def _complaints(error: ValidationError, tree: object) -> list[Complaint]:
    complaints = complaints_of(error, tree)
    if not isinstance(tree, Mapping):
        return complaints
    given = cast("Mapping[str, object]", tree)
    if "record" not in given and dataset_of(given) is not None:  # an unknown dataset, not a forgotten record
        complaints = [complaint for complaint in complaints if complaint.path != ("record",)]
    # One bad section must not hide what is wrong between the others; if all are sound, these are known already.
    known = {(complaint.path, complaint.rule) for complaint in complaints}
    faults = [place for complaint in complaints for place in complaint.places]
    between = broken_rules(sound_sections(given, faults))
    return complaints + [complaint for complaint in between if (complaint.path, complaint.rule) not in known]


def _position(path: Path, tree: object) -> tuple[int, ...]:
    """Return where a path stands in the tree, for sorting; what is missing comes after what is there."""
    position: list[int] = []
    node = tree
    for step in path:
        keys = list(cast("Mapping[object, object]", node)) if isinstance(node, Mapping) else None
        if keys is not None and step in keys:
            position.append(keys.index(step))
            node = cast("Mapping[object, object]", node)[step]
        elif isinstance(node, list) and isinstance(step, int) and step < len(cast("list[object]", node)):
            position.append(step)
            node = cast("list[object]", node)[step]
        else:
            return (*position, 1_000_000)
    return tuple(position)
