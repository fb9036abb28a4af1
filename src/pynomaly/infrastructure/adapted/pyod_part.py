"""Detectors of PyOD: models fitted on a window of records, and fitted anew on a schedule."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.adapted import AcceptedRows, AdaptedPartFactory, PartContext
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.event import Event, ModelRefitFailed, ModelRefitted, event_id
from pynomaly.domain.record import Float64Matrix, Int64Column
from pynomaly.domain.state import StateImage
from pynomaly.infrastructure.adapted.breaker import Breaker, Turn, status_changed
from pynomaly.infrastructure.adapted.calls import CallLedger
from pynomaly.infrastructure.adapted.fit_process import FIT_TIMEOUT_S, SharedFitProcess
from pynomaly.infrastructure.adapted.fitting import FitFailure, FitResult, Fits, FitTask
from pynomaly.infrastructure.adapted.group_image import pack_groups, unpack_groups
from pynomaly.infrastructure.adapted.origin import Origin, json_params
from pynomaly.infrastructure.adapted.pyod_catalogue import check_pyod, pyod_kind
from pynomaly.infrastructure.adapted.refit_group import Adoption, RefitGroup
from pynomaly.infrastructure.adapted.refit_schedule import RefitSchedule
from pynomaly.infrastructure.adapted.scoring_model import Answers, ScoringModel
from pynomaly.infrastructure.adapted.seed import derive_seed

GroupBy = Literal["series", "stream"]
_STREAM_GROUP = 0


@dataclass(frozen=True, slots=True)
class PyodSettings:
    """What a flow says of a PyOD part.

    Parameters
    ----------
    detector
        A detector of `PYOD_KINDS`.
    params
        Its arguments, JSON values; threads and seed are pynomaly's.
    fields
        Names of the columns of the rows, in order.
    schedule
        When models are fitted and take over.
    group_by
        Whether each series has models of its own, or all series of the stream share one.

    Raises
    ------
    ConfigError
        When the detector, a parameter or a field is wrong, or PyOD is missing.
    """

    detector: str
    params: Mapping[str, object]
    fields: tuple[str, ...]
    schedule: RefitSchedule
    group_by: GroupBy = "series"

    def __post_init__(self) -> None:
        if self.group_by not in {"series", "stream"}:
            raise ConfigError(Problem("group_by", f"must be series or stream, was {self.group_by!r}"))
        check_pyod(self.detector, json_params(self.params), self.fields)


class PyodPart:
    """A PyOD detector as an `AdaptedPart`.

    Fits run in a process of their own; `process` waits for one only at the record that its model must score
    first. A fit that raises, cannot be kept or gives scores without meaning leaves the old model in place, and a
    `ModelRefitFailed` stands at that record. It would fail again on the same window with the same seed, so a
    replay repeats it. A fit process that dies or hangs says nothing of the records: TransientError, and a restart
    requests the same fit.

    Costs 0.2-1 ms a record (INNE 50 ms), less where many rows go in one call (`ScoringModel`); a fit takes 2-500
    ms, and fits go one after the other: many series with a short `refit_every` wait for each other. State: for each
    group up to ``window * fields * 8`` bytes (twice that in memory, once more while a fit is pending) and one
    model, twice in memory: its bytes (10 kB to 100 kB, 600 kB for a forest of 100 trees) and itself. Only the
    flow's `limits` bound the groups.

    Parameters
    ----------
    context
        Where the part lives; with group and fit number it makes the seed of each fit.
    settings
        What to fit and when.
    fits
        Who fits; belongs to the part from now on.
    calls
        Is told of every time that a model is asked.
    """

    def __init__(
        self, context: PartContext, settings: PyodSettings, fits: Fits, calls: CallLedger | None = None
    ) -> None:
        from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - an extra, checked by the settings

        self._context = context
        self._settings = settings
        self._params = json_params(settings.params)
        self._kind = pyod_kind(settings.detector)
        self._threads = ThreadpoolController()
        self._fits = fits
        self._groups: dict[int, RefitGroup] = {}
        self._origin = _origin(settings, self._params)
        self._breaker = Breaker()
        self._calls = (CallLedger() if calls is None else calls).open(context)

    def process(self, rows: AcceptedRows) -> tuple[NDArray[np.float64], tuple[Event, ...]]:
        """Score each record with the model that is due for it, then learn it; a model that fails has no score.

        Raises
        ------
        TransientError
            When a fit that is due hung, or its process died.
        """
        answers = Answers(np.full(len(rows), np.nan))
        adoptions: list[tuple[int, int, Adoption]] = []
        pause = self._breaker.pause_within(len(rows))
        # One thread: sums of products have one order, and the flow keeps the cores that it was given.
        with self._threads.limit(limits=1):
            for number, at in self._split(rows.series):
                some, adopted = self._group(number).process(rows.values[at], int(np.searchsorted(at, pause)))
                answers.scores[at] = some.scores
                answers.failures.update({int(at[row]): error for row, error in some.failures.items()})
                adoptions += [(int(at[adoption.row]), number, adoption) for adoption in adopted]
        told: list[tuple[int, int, Event]]
        told = [(row, number, self._event(rows, row, what)) for row, number, what in adoptions]
        # Behind all groups of their record.
        told += [(turn.row, sys.maxsize, status_changed(self._context, rows, turn)) for turn in self._judge(answers)]
        told.sort(key=itemgetter(0, 1))
        return answers.scores, tuple(event for _, _, event in told)

    def _judge(self, answers: Answers) -> list[Turn]:
        """Tell the breaker of the answers, in the order of the rows; drop those that it has not asked for."""
        if self._breaker.is_calm and not answers.failures:
            return []
        turns = list[Turn]()
        for row in range(len(answers.scores)):
            if not self._breaker.asks():
                answers.scores[row] = np.nan
            elif row in answers.failures:
                turns += self._breaker.failed(row, answers.failures[row])
            elif not np.isnan(answers.scores[row]):
                turns += self._breaker.answered(row)
        return turns

    def forget(self, series: Int64Column) -> None:
        """Drop the groups of some series, with the fits they wait for; a model of all series stays."""
        if self._settings.group_by == "stream":
            return
        for number in series.tolist():
            group = self._groups.pop(number, None)
            if group is not None:
                group.close()

    def snapshot(self) -> StateImage:
        """Return windows, counts, models and pending fits of all groups."""
        # In the order of their numbers: that in which they came here depends on where batches were cut.
        states = {number: self._groups[number].snapshot() for number in sorted(self._groups)}
        sections = pack_groups(states, len(self._settings.fields))
        return StateImage(self._origin.header(), {**sections, "breaker": self._breaker.snapshot()})

    def restore(self, image: StateImage) -> None:
        """Take over a state and request its pending fits; other settings or libraries raise StateError."""
        self._origin.check(self._context.part, image.header)
        self._groups.clear()
        for number, state in unpack_groups(image.sections):
            self._group(number).restore(state)
        self._breaker.restore(image.sections.get("breaker"))

    def close(self) -> None:
        """End the fit process and drop the models."""
        self._fits.close()
        self._groups.clear()

    def _split(self, series: Int64Column) -> Iterator[tuple[int, Int64Column]]:
        """Yield each group's number with the numbers of its rows, ascending."""
        if len(series) == 0:
            return
        if self._settings.group_by == "stream":
            yield _STREAM_GROUP, np.arange(len(series))
            return
        order = np.argsort(series, kind="stable")
        bounds = np.flatnonzero(np.diff(series[order])) + 1
        for at in np.split(order, bounds):
            yield int(series[at[0]]), at

    def _group(self, number: int) -> RefitGroup:
        group = self._groups.get(number)
        if group is None:
            settings = self._settings
            group = self._groups[number] = RefitGroup(
                settings.schedule,
                len(settings.fields),
                lambda fit_number, rows: self._request(number, fit_number, rows),
                lambda fitted: ScoringModel(self._kind, fitted, self._calls),
            )
        return group

    def _request(self, group: int, fit_number: int, rows: Float64Matrix) -> Future[FitResult]:
        own = "stream" if self._settings.group_by == "stream" else f"series-{group}"
        seed = derive_seed(self._context, own, fit_number)
        return self._fits.submit(FitTask(self._settings.detector, self._params, seed, rows))

    def _event(self, rows: AcceptedRows, row: int, adoption: Adoption) -> ModelRefitted | ModelRefitFailed:
        flow, stream, part = self._context.flow, self._context.stream, self._context.part
        group = str(stream) if self._settings.group_by == "stream" else rows.key[row]
        offset, result = int(rows.offset[row]), adoption.result
        kind = "model-refit-failed" if isinstance(result, FitFailure) else "model-refitted"
        identity = event_id(kind, flow, stream, offset, part, group, adoption.fit_number)
        if isinstance(result, FitFailure):
            return ModelRefitFailed(identity, flow, stream, offset, group, part, adoption.fit_number, result.error)
        window = self._settings.schedule.window
        return ModelRefitted(identity, flow, stream, offset, group, part, adoption.fit_number, result.content, window)


def _origin(settings: PyodSettings, params: Mapping[str, object]) -> Origin:
    facts = {
        "kind": "pyod",
        "detector": settings.detector,
        "params": params,
        "fields": list(settings.fields),
        "window": settings.schedule.window,
        "refit_every": settings.schedule.refit_every,
        "adopt_after": settings.schedule.adopt_after,
        "group_by": settings.group_by,
    }
    return Origin.of(facts, "pyod", "scikit-learn")


def pyod_part(
    detector: str,
    params: Mapping[str, object],
    fields: tuple[str, ...],
    *,
    window: int = 1000,
    refit_every: int = 500,
    adopt_after: int = 250,
    group_by: GroupBy = "series",
    fit_timeout_s: float = FIT_TIMEOUT_S,
    calls: CallLedger | None = None,
) -> AdaptedPartFactory:
    """Return a factory of `PyodPart`, after checking everything about it once; its parts share one fit process.

    ``fit_timeout_s`` [s] bounds each fit by itself, however many wait in line. Only a hung fit reaches it, and it
    decides nothing but a crash.

    Raises
    ------
    ConfigError
        See `PyodSettings` and `RefitSchedule`.
    """
    schedule = RefitSchedule(window, refit_every, adopt_after)
    settings = PyodSettings(detector, params, fields, schedule, group_by)
    shared = SharedFitProcess(fit_timeout_s)
    return lambda context: PyodPart(context, settings, shared.lease(), calls)
