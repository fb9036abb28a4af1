"""The groups of a part as arrays, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.infrastructure.adapted.fitting import FittedModel, as_array
from pynomaly.infrastructure.adapted.refit_group import GroupState
from pynomaly.infrastructure.adapted.score_scale import ScoreScale

_GROUP = np.dtype(
    [
        ("group", "<i8"),
        ("count", "<i8"),
        ("rows", "<i8"),
        ("pending_rows", "<i8"),
        ("image_bytes", "<i8"),
        ("content", "S32"),
        ("low", "<f8"),
        ("width", "<f8"),
    ]
)


def pack_groups(states: Mapping[int, GroupState], fields: int) -> dict[str, NDArray[Any]]:
    """Return one row for each group, and the rows and model bytes of all groups one after the other."""
    table = np.zeros(len(states), _GROUP)
    for entry, (group, state) in zip(table, states.items(), strict=True):
        pending = 0 if state.pending_rows is None else len(state.pending_rows)
        entry["group"], entry["count"], entry["rows"], entry["pending_rows"] = (
            group, state.count, len(state.rows), pending,
        )  # fmt: skip
        if state.model is not None:
            entry["image_bytes"] = len(state.model.image)
            entry["content"] = state.model.content
            entry["low"], entry["width"] = state.model.scale.low, state.model.scale.width
    nothing = np.empty((0, fields))
    return {
        "groups": table,
        "rows": np.concatenate([nothing, *(state.rows for state in states.values())]),
        "pending_rows": np.concatenate(
            [nothing, *(state.pending_rows for state in states.values() if state.pending_rows is not None)]
        ),
        "images": as_array(b"".join(state.model.image for state in states.values() if state.model is not None)),
    }


def unpack_groups(sections: Mapping[str, NDArray[Any]]) -> Iterator[tuple[int, GroupState]]:
    """Read what `pack_groups` wrote, in its order."""
    row = pending = image = 0
    for entry in sections["groups"]:
        rows = sections["rows"][row : row + entry["rows"]]
        pending_rows = sections["pending_rows"][pending : pending + entry["pending_rows"]]
        model = _model(entry, sections["images"][image : image + entry["image_bytes"]].tobytes())
        row, pending, image = row + len(rows), pending + len(pending_rows), image + int(entry["image_bytes"])
        waiting = pending_rows if len(pending_rows) else None
        yield int(entry["group"]), GroupState(int(entry["count"]), rows, waiting, model)


def _model(entry: Any, image: bytes) -> FittedModel | None:
    if not image:
        return None
    return FittedModel(image, entry["content"].decode(), ScoreScale(float(entry["low"]), float(entry["width"])))
