"""Which of its fields a part that sees several together found strange."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.plan import AdaptedSource
from pynomaly.domain.trace.decision_trace import PartTrace
from pynomaly.domain.trace.moment import Moment


def field_shares(moment: Moment, said: PartTrace, k: int, usual: NDArray[np.float64]) -> dict[int, float] | None:
    """Return what each column of part ``k`` has in its contribution; the shares sum to it.

    One field has all of it. Of several each is set to its usual value while the others stay; the shares go by how much
    the severity falls (occlusion: Zeiler and Fergus, ECCV 2014, section 4.2, with features for patches of an image).
    None where it falls for none of them, or the part is an adapted one: then only all fields together are strange.

    Parameters
    ----------
    usual
        ``(d,)`` a usual value of every field, such as the median of the last records.
    """
    if len(said.fields) == 1:
        return {said.fields[0]: said.contribution}
    if said.contribution == 0.0:
        return dict.fromkeys(said.fields, 0.0)
    if isinstance(moment.plan.parts[k].source, AdaptedSource):
        return None
    records = np.repeat(moment.values[np.newaxis], len(said.fields), axis=0)
    for row, column in enumerate(said.fields):
        records[row, column] = usual[column]
    falls = np.maximum(said.severity - moment.instead(records).severity[:, k], 0.0)
    total = float(falls.sum())
    if not total > 0.0:
        return None
    return {column: float(said.contribution * fall / total) for column, fall in zip(said.fields, falls, strict=True)}
