"""Detectors of River: one model for each series, learning record by record."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.adapted import AcceptedRows, AdaptedPartFactory, PartContext
from pynomaly.domain.error import StateError
from pynomaly.domain.event import Event
from pynomaly.domain.record import Int64Column
from pynomaly.domain.state import StateImage
from pynomaly.infrastructure.adapted.breaker import Breaker, Turn, status_changed, told
from pynomaly.infrastructure.adapted.calls import CallLedger
from pynomaly.infrastructure.adapted.origin import Origin, json_params
from pynomaly.infrastructure.adapted.restricted_pickle import dump_models, load_models
from pynomaly.infrastructure.adapted.river_catalogue import check_river, learn, river_class, river_kind, score
from pynomaly.infrastructure.adapted.river_steps import Step, new_steps, step_class
from pynomaly.infrastructure.adapted.seed import derive_seed


@dataclass(slots=True)
class _Series:
    chain: list[Any]  # the transformers and the model
    records: int = 0


class RiverPart:
    """A detector of `river.anomaly` or `river.drift` as an `AdaptedPart`.

    Costs 2 us (StandardAbsoluteDeviation) to 3 ms (LocalOutlierFactor) a record, on the caller's thread. State: one
    model for each series, from 0.2 kB (StandardAbsoluteDeviation) over 170 kB (HalfSpaceTrees by default) to its
    window of records (LocalOutlierFactor: 1000); nothing but the flow's `limits` bounds their number.

    Parameters
    ----------
    context
        Where the part lives; with the series number it makes the seed of a model that takes one and was given none.
    model, params
        Class name and arguments, JSON values only. What its scores come to, and while a
        series warms up, stands in `pynomaly.infrastructure.adapted.river_catalogue`.
    fields
        Names of the columns of the rows, in order.
    steps
        What transforms records before the model sees them; each series has transformers of its own.
    calls
        Is told of every record that the model is asked about.

    Raises
    ------
    ConfigError
        When the model, a step, a parameter or the number of fields is wrong, or River is missing.
    """

    def __init__(
        self,
        context: PartContext,
        model: str,
        params: Mapping[str, object],
        fields: tuple[str, ...],
        steps: Sequence[Step] = (),
        calls: CallLedger | None = None,
    ) -> None:
        self._context = context
        self._breaker = Breaker()
        self._calls = (CallLedger() if calls is None else calls).open(context)
        self._params = json_params(params)
        check_river(model, self._params, fields, steps)
        self._kind = river_kind(model)
        self._steps = tuple(steps)
        self._class = river_class(model)
        self._takes_seed = "seed" in inspect.signature(self._class).parameters
        self._fields = fields
        self._series: dict[int, _Series] = {}
        settings: dict[str, object] = {"kind": "river", "model": model, "params": self._params, "fields": list(fields)}
        if steps:
            settings["preprocessing"] = [step.as_json() for step in steps]
        self._origin = Origin.of(settings, *self._kind.libraries)

    def process(self, rows: AcceptedRows) -> tuple[NDArray[np.float64], tuple[Event, ...]]:
        """Score each record, then let its series' model learn it; a model that fails is one for the breaker."""
        scores, turns = np.full(len(rows), np.nan), list[Turn]()
        calls = self._calls
        for row, (number, values) in enumerate(zip(rows.series.tolist(), rows.values.tolist(), strict=True)):
            if not self._breaker.asks():
                continue
            calls.begun += 1
            try:
                scores[row] = strangeness = self._score_then_learn(number, values)
            except MemoryError:  # says nothing of the record
                raise
            except Exception as error:  # noqa: BLE001 - models raise what they like; the flow goes on without them
                turns += self._breaker.failed(row, told(error))
            else:
                if not math.isnan(strangeness) and not self._breaker.is_calm:
                    turns += self._breaker.answered(row)
            finally:
                calls.ended += 1
        return scores, tuple(status_changed(self._context, rows, turn) for turn in turns)

    def forget(self, series: Int64Column) -> None:
        """Drop the models of some series."""
        for number in series.tolist():
            self._series.pop(number, None)

    def snapshot(self) -> StateImage:
        """Return all models as one restricted pickle, with the count of each series' records."""
        series = self._series.values()
        sections: dict[str, NDArray[Any]] = {
            "series": np.array(list(self._series), np.int64),
            "records": np.array([one.records for one in series], np.int64),
            "models": np.frombuffer(dump_models([one.chain[-1] for one in series]), np.uint8),
            "breaker": self._breaker.snapshot(),
        }
        if self._steps:
            sections["steps"] = np.frombuffer(dump_models([one.chain[:-1] for one in series]), np.uint8)
        return StateImage(self._origin.header(), sections)

    def restore(self, image: StateImage) -> None:
        """Take over a state; another version of River is another detector and raises StateError."""
        self._origin.check(self._context.part, image.header)
        numbers, records = image.sections["series"].tolist(), image.sections["records"].tolist()
        models = load_models(image.sections["models"].tobytes())
        steps = load_models(image.sections["steps"].tobytes()) if self._steps else [[] for _ in numbers]
        if not len(models) == len(steps) == len(numbers) == len(records):
            raise StateError(f"saved state of part {self._context.part} must hold a model for each series, was torn")
        self._series = {
            number: _Series(self._checked([*before, model]), count)
            for number, before, model, count in zip(numbers, steps, models, records, strict=True)
        }
        self._breaker.restore(image.sections.get("breaker"))

    def close(self) -> None:
        """Drop the models."""
        self._series.clear()

    def _score_then_learn(self, number: int, values: list[float]) -> float:
        series = self._series.get(number)
        if series is None:
            series = self._series[number] = _Series([*new_steps(self._steps), self._new_model(number)])
        records, series.records = series.records, series.records + 1
        try:
            return score(self._kind, series.chain, records, self._fields, values)
        finally:
            learn(self._kind, series.chain, self._fields, values)

    def _new_model(self, number: int) -> Any:
        params = dict(self._params)
        if self._takes_seed and params.get("seed") is None:
            params["seed"] = derive_seed(self._context, number)
        return self._class(**params)

    def _checked(self, chain: list[Any]) -> list[Any]:
        expected = [*(step_class(step.name) for step in self._steps), self._class]
        if [type(one) for one in chain] != expected:
            raise StateError(
                f"saved model of part {self._context.part} must be a {' | '.join(one.__name__ for one in expected)}, "
                f"was {' | '.join(type(one).__name__ for one in chain)}: the state was altered"
            )
        return chain


def river_part(
    model: str,
    params: Mapping[str, object],
    fields: tuple[str, ...],
    steps: Sequence[Step] = (),
    calls: CallLedger | None = None,
) -> AdaptedPartFactory:
    """Return a factory of `RiverPart`, after checking model, parameters, fields and steps once.

    Raises
    ------
    ConfigError
        See `RiverPart`.
    """
    check_river(model, json_params(params), fields, steps)
    return lambda context: RiverPart(context, model, params, fields, steps, calls)
