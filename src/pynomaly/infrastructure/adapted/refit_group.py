"""The records that share a model (one series, or the whole stream), and the life of their models.

The rules, for record number ``n`` of the group (from 1):

1. a pending fit whose adoption number is ``n`` is waited for, whatever the clock says; its model takes over, or the
   old one stays if the fit failed;
2. the record is scored with the current model; without one, or where it fails, its score is NaN;
3. the record joins the training window;
4. if a fit is due at count ``n``, it is requested on a copy of the window and becomes the pending one. There is at
   most one, because `adopt_after` is at most `refit_every`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from pynomaly.domain.record import Float64Matrix
from pynomaly.infrastructure.adapted.fitting import FitResult, FittedModel
from pynomaly.infrastructure.adapted.refit_schedule import RefitSchedule
from pynomaly.infrastructure.adapted.scoring_model import Answers, ScoringModel
from pynomaly.infrastructure.adapted.training_window import TrainingWindow

#: ``(fit number, (window, d) rows) -> fit``: starts a fit.
RequestFit = Callable[[int, Float64Matrix], Future[FitResult]]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What came of a fit at the row where its model was to take over."""

    row: int
    fit_number: int
    result: FitResult


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group at rest.

    Parameters
    ----------
    count
        Records so far.
    rows
        ``(min(count, window), d)`` training window, oldest first.
    pending_rows
        ``(window, d)`` window of the pending fit, so that a restart requests the same one; None if none is pending.
    model
        The current model.
    """

    count: int
    rows: Float64Matrix
    pending_rows: Float64Matrix | None
    model: FittedModel | None


@dataclass(frozen=True, slots=True)
class _PendingFit:
    number: int
    rows: Float64Matrix
    fit: Future[FitResult]


class RefitGroup:
    """One group.

    Parameters
    ----------
    schedule
        When to fit and to adopt.
    fields
        Numbers in a record.
    request
        Starts a fit.
    load
        Makes a model score.
    """

    def __init__(
        self,
        schedule: RefitSchedule,
        fields: int,
        request: RequestFit,
        load: Callable[[FittedModel], ScoringModel],
    ) -> None:
        self._schedule = schedule
        self._request = request
        self._load = load
        self._count = 0
        self._window = TrainingWindow(schedule.window, fields)
        self._pending: _PendingFit | None = None
        self._model: ScoringModel | None = None

    def process(self, values: Float64Matrix, skipped: int = 0) -> tuple[Answers, list[Adoption]]:
        """Score and learn ``(n, d)`` records; return the answers and what was adopted before which record.

        The first ``skipped`` records are learned only.
        """
        answers = Answers(np.full(len(values), np.nan))
        adoptions: list[Adoption] = []
        row = 0
        while row < len(values):
            if self._pending is not None and self._schedule.adoption(self._pending.number) == self._count + 1:
                adoptions.append(self._adopt(self._pending, row))
            stop = min(len(values), row + self._records_of_one_model())
            asked = max(row, skipped)
            if self._model is not None and asked < stop:
                some = self._model.score(values[asked:stop])
                answers.scores[asked:stop] = some.scores
                answers.failures.update({asked + failed: error for failed, error in some.failures.items()})
            self._learn(values[row:stop])
            row = stop
        return answers, adoptions

    def snapshot(self) -> GroupState:
        """Return the state after the last record."""
        pending = None if self._pending is None else self._pending.rows
        model = None if self._model is None else self._model.fitted
        return GroupState(self._count, self._window.rows().copy(), pending, model)

    def restore(self, state: GroupState) -> None:
        """Take over a state; a fit that was pending is requested again."""
        self._count = state.count
        self._window.append(state.rows)
        self._model = None if state.model is None else self._load(state.model)
        if state.pending_rows is not None:
            self._start_fit(state.pending_rows)

    def close(self) -> None:
        """Give up the pending fit, if it has not begun."""
        if self._pending is not None:
            self._pending.fit.cancel()

    def _records_of_one_model(self) -> int:
        """Count the records until the next request or adoption, at least one."""
        boundary = self._schedule.next_request(self._count)
        if self._pending is not None:
            boundary = min(boundary, self._schedule.adoption(self._pending.number) - 1)
        return boundary - self._count

    def _learn(self, values: Float64Matrix) -> None:
        self._window.append(values)
        self._count += len(values)
        if self._schedule.requests_at(self._count):
            self._start_fit(self._window.rows().copy())

    def _start_fit(self, rows: Float64Matrix) -> None:
        number = self._schedule.fit_number(self._count)
        self._pending = _PendingFit(number, rows, self._request(number, rows))

    def _adopt(self, pending: _PendingFit, row: int) -> Adoption:
        result = pending.fit.result()
        self._pending = None
        if isinstance(result, FittedModel):
            self._model = self._load(result)
        return Adoption(row, pending.number, result)
