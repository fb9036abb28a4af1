"""What became of one record and why, found by replaying the input up to it: replay equals live."""

from __future__ import annotations

from pynomaly.application.explanation.explain import explain
from pynomaly.application.explanation.explanation import (
    Details,
    Explanation,
    FieldExplanation,
    PartExplanation,
    PastValues,
    Place,
    Verdict,
)
from pynomaly.application.explanation.surroundings import Surroundings
from pynomaly.application.explanation.wanted import Wanted

__all__ = [
    "Details",
    "Explanation",
    "FieldExplanation",
    "PartExplanation",
    "PastValues",
    "Place",
    "Surroundings",
    "Verdict",
    "Wanted",
    "explain",
]
