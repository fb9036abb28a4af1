"""Areas under the ROC and the precision-recall curve of scored rows that are labelled one by one.

Equal to scikit-learn's ``roc_auc_score`` and ``average_precision_score`` (the oracle in the tests). Those come with the
extra `pyod` only, take a second to import, and are a sort and two sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas under the curves, in [0, 1]; NaN where no row or every row is labelled.

    A random score has 0.5 of ROC, and the share of labelled rows of PR.
    """

    roc: float
    pr: float


def areas(scores: NDArray[np.float64], labelled: NDArray[np.bool_]) -> Areas:
    """Return both areas; rows with equal scores are one point of the curves.

    Parameters
    ----------
    scores
        ``(n,)`` known and finite, higher for more anomalous.
    labelled
        ``(n,)`` whether each row is anomalous.
    """
    if labelled.all() or not labelled.any():
        return Areas(nan, nan)
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(labelled[order])[last_of_ties].astype(np.float64)
    alarms = last_of_ties + 1.0
    recall, false_rate = hits / hits[-1], (alarms - hits) / (alarms[-1] - hits[-1])
    return Areas(
        roc=float(np.trapezoid([0.0, *recall], [0.0, *false_rate])),
        pr=float(np.diff(recall, prepend=0.0) @ (hits / alarms)),
    )
