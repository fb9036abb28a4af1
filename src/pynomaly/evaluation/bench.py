"""A contender made ready for series of one shape, and its quality on one of them."""

from __future__ import annotations

from contextlib import closing
from functools import cache, lru_cache

import numpy as np

from pynomaly.application.engine import Engine
from pynomaly.application.quality.trial import Floats, Judge, Judgement, LabelledSeries, Levels, SeriesQuality, measure
from pynomaly.application.spec.explain import bytes_per_series
from pynomaly.bootstrap import engine_factory, plan_of
from pynomaly.domain.decision import Channel, judge_history, series_dtype
from pynomaly.domain.event import AnomalyDetected, Event
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.evaluation.contender import Contender
from pynomaly.infrastructure.kernels import KernelLibrary

_BATCH_RECORDS = 10_000
_KEY = b"0"


class Bench:
    """Judges series of the same fields with one contender, each from a cold start.

    Raises
    ------
    ConfigError
        When the contender cannot judge such series.
    """

    def __init__(self, contender: Contender, fields: tuple[str, ...], *, has_clock: bool) -> None:
        self._contender = contender
        spec = contender.spec(fields, has_clock=has_clock)
        plan = plan_of(spec)
        self._engine_for = engine_factory(plan)
        self.plan = plan.scoring
        self.bytes_per_series = bytes_per_series(spec)

    def judge(self, series: LabelledSeries) -> Judgement:
        """Judge every record by those before it."""
        return self.judge_and_tell(series)[0]

    def judge_and_tell(self, series: LabelledSeries) -> tuple[Judgement, tuple[AnomalyDetected, ...]]:
        """Judge every record by those before it, and tell of the alerts; their offsets are the rows of the series."""
        rows = len(series)
        alerts: list[AnomalyDetected] = []
        judgement = Judgement(np.empty(rows), np.empty(rows), np.empty(rows, np.uint8))
        stream = Stream(series.name)
        time_ns = np.zeros(rows, np.int64) if series.time_ns is None else series.time_ns
        values = np.ascontiguousarray(self._contender.seen(series.name, series.values))
        batch = RecordBatch(
            stream, np.arange(rows), time_ns, KeyColumn.of([_KEY] * rows), values, np.zeros(rows, np.uint8)
        )
        with closing(self._engine_for(stream)) as engine:
            for start in range(0, max(rows, 1), _BATCH_RECORDS):  # one without records loads the kernels
                events = _judge_batch(engine, batch.slice(start, start + _BATCH_RECORDS), judgement)
                alerts.extend(event for event in events if isinstance(event, AnomalyDetected))
        return judgement, tuple(alerts)

    def quality(self, series: LabelledSeries) -> SeriesQuality:
        """Judge a series and compare with its labels."""
        return measure(series, self.judge(series), self.plan.common, policy_judge())


@lru_cache(maxsize=16)
def bench_for(contender: Contender, fields: tuple[str, ...], *, has_clock: bool) -> Bench:
    """Return the bench of a contender for series of a shape; made once in a process."""
    return Bench(contender, fields, has_clock=has_clock)


@cache
def policy_judge() -> Judge:
    """Return what applies the rules of a channel to the evidence of a whole history."""
    kernel = KernelLibrary.default().entry(judge_history)

    def judge(evidence: Floats, channel: Channel) -> Levels:
        level = np.empty(len(evidence), np.uint8)
        kernel(np.zeros(1, series_dtype(0)), channel.rules(), evidence, level)
        return level

    return judge


def _judge_batch(engine: Engine, batch: RecordBatch, judgement: Judgement) -> tuple[Event, ...]:
    result = engine.process(batch)
    outcomes = result.outcomes
    judgement.evidence[batch.offset] = outcomes.evidence
    judgement.ranking_score[batch.offset] = outcomes.ranking_score
    judgement.level[batch.offset] = outcomes.level
    return result.events
