"""Outcomes as a table: one row for each record, in the order of the input, rejected ones included.

==================  ==============================================================================================
column              content
==================  ==============================================================================================
``time``            event time; without a clock ``row`` instead, the row number from 0
``series``          series key
the value columns   under their own names
``severity``        the highest severity of any part
``evidence``        the severities combined; what thresholds are compared with
``ranking_score``   the evidence with ties broken by all severities: sorts a history from odd to ordinary
``alert_score``     the evidence where the record alerts, else 0
``outcome``         what became of the record
``reason``          why
``level``           level of the alert, ``none`` where there is none
``found_by``        parts that added to the evidence, strongest first; alerting or not
``expected``        value that would have been ordinary; ``expected:<field>`` for each of several fields
==================  ==============================================================================================

A value column keeps its name. Where one is called like another column, that other one gets ``pynomaly_`` before its
name. What is not known, or not there in a rejected record, is NaN, NaT or None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.detection_result import DetectionResult
from pynomaly.domain.outcome import Level, Outcome, Reason
from pynomaly.domain.report import strongest

Column = NDArray[Any]
Table = dict[str, Column]

PREFIX: Final = "pynomaly_"


def _labels(members: Iterable[Outcome] | Iterable[Reason] | Iterable[Level]) -> NDArray[np.object_]:
    labels = np.full(256, None, np.object_)
    for member in members:
        labels[member] = member.label
    return labels


_OUTCOMES: Final = _labels(Outcome)
_REASONS: Final = _labels(Reason)
_LEVELS: Final = _labels(Level)


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """The columns of one table.

    Parameters
    ----------
    fields
        Value columns.
    parts
        Names of the flow's parts, in their order.
    has_clock
        Whether the records have a time.
    """

    fields: tuple[str, ...]
    parts: tuple[str, ...]
    has_clock: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        before = ("time" if self.has_clock else "row", "series")
        scores = ("severity", "evidence", "ranking_score", "alert_score")
        after = (*scores, "outcome", "reason", "level", "found_by", *self._expected)
        return (*map(self.name, before), *self.fields, *map(self.name, after))

    def name(self, column: str) -> str:
        """Return the name under which a column of ours stands beside the value columns."""
        while column in self.fields:
            column = PREFIX + column
        return column

    def rows(self, result: DetectionResult) -> Table:
        """Return the rows of one batch of a flow without windows; costs about 1 us a record."""
        batch, outcomes = result.batch, result.outcomes
        accepted = batch.refusal == 0
        columns: list[Column] = [
            np.where(accepted, batch.time_ns, _NOT_A_TIME).view("datetime64[ns]") if self.has_clock else batch.offset,
            _texts([batch.key[row].decode() if accepted[row] else None for row in range(len(batch))]),
            *batch.values.T,
            outcomes.highest_severity,
            outcomes.evidence,
            outcomes.ranking_score,
            outcomes.alert_score,
            _OUTCOMES[outcomes.outcome],
            _REASONS[outcomes.reason],
            _LEVELS[outcomes.level],
            self._found_by(outcomes.contribution),
            *outcomes.expected.T,
        ]
        return dict(zip(self.names, columns, strict=True))

    def _found_by(self, contribution: NDArray[np.float64]) -> Column:
        """Name the parts that added to the evidence of each record; most have none."""
        names = np.full(len(contribution), None, np.object_)
        for row in np.flatnonzero((contribution > 0.0).any(axis=1)).tolist():
            names[row] = ", ".join(self.parts[part] for part in strongest(contribution[row]))
        return names

    @property
    def _expected(self) -> Sequence[str]:
        return ("expected",) if len(self.fields) == 1 else [f"expected:{field}" for field in self.fields]


def joined(tables: Sequence[Table], names: Sequence[str]) -> Table:
    """Put tables of the same columns one under another; none at all make a table without rows."""
    if not tables:
        return {name: np.zeros(0) for name in names}
    return {name: np.concatenate([table[name] for table in tables]) for name in names}


_NOT_A_TIME: Final = np.iinfo(np.int64).min


def _texts(texts: Sequence[str | None]) -> NDArray[np.object_]:
    column = np.empty(len(texts), np.object_)
    column[:] = texts
    return column
