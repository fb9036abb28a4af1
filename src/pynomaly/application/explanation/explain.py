"""Answer why a record was judged as it was."""

from __future__ import annotations

from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.engine import EngineFactory
from pynomaly.application.explanation.explanation import (
    Details,
    Explanation,
    FieldExplanation,
    PartExplanation,
    PastValues,
)
from pynomaly.application.explanation.search import Search
from pynomaly.application.explanation.surroundings import MOST_PAST, Surroundings
from pynomaly.application.explanation.wanted import FoundRecord, Wanted, locate
from pynomaly.application.flow_plan import FlowPlan
from pynomaly.application.ports import RecordSource
from pynomaly.domain.error import MissingInputError
from pynomaly.domain.report import known
from pynomaly.domain.trace import (
    Cached,
    Moment,
    field_shares,
    ordinary_values,
    trace,
    unchanged_values,
)

_USUAL_RECORDS = 256  # of whose values the median counts as usual


def explain(
    source: RecordSource,
    engine_for: EngineFactory,
    plan: FlowPlan,
    wanted: Wanted,
    cached: Cached,
    *,
    after: int = 0,
) -> Explanation:
    """Replay an input up to a record, and say what became of it and why.

    The input is decoded twice up to there, and judged once: the partition of the record alone. In a flow with windows
    a moment asks for the first window of the record's series that ends after it.

    Parameters
    ----------
    source, engine_for, plan
        The flow.
    wanted
        The record.
    cached
        Where the machine code of single functions comes from.
    after
        How many records of the series behind it to look at too.

    Raises
    ------
    ConfigError
        When the partition cannot be told.
    MissingInputError
        When there is no such record, or no window of that time has closed.
    RejectionError
        When the flow stops before the record.
    """
    record = locate(source, wanted)
    search = Search(record, None if plan.window is None else wanted.at_ns, after)
    _replay(source, engine_for, record, search)
    found = search.found
    if found is None:
        raise MissingInputError(
            f"series {record.key!r} must have a window that closed after that moment, had none: the input ends before"
        )
    details = None if search.moment is None else _details(plan, search.moment, search, cached)
    return Explanation(
        place=found.place,
        verdict=found.verdict,
        details=details,
        raw=found.raw,
        surroundings=search.series if search.position >= 0 else None,
        position=search.position,
    )


def _replay(source: RecordSource, engine_for: EngineFactory, record: FoundRecord, search: Search) -> None:
    with (
        closing(source.open(record.partition, None, bounded=True)) as reader,
        closing(engine_for(reader.stream)) as engine,
    ):
        engine.watch(search.watch)
        while not (reader.at_end or search.is_over):
            batch = reader.poll()
            if batch is None:
                continue
            result = engine.process(batch)
            search.take(result)
            if result.stopped is not None:
                if search.found is None:
                    raise result.stopped
                return


def _details(plan: FlowPlan, moment: Moment, search: Search, cached: Cached) -> Details:
    decided, names = trace(moment, cached), plan.scoring.fields
    series, position = search.series, search.position
    past = series.between(position - MOST_PAST, position) if series is not None else None
    shares = [field_shares(moment, part, k, _usual(moment, past)) for k, part in enumerate(decided.parts)]
    counted = [(part, share) for part, share in zip(decided.parts, shares, strict=True) if part in decided.fired]
    return Details(
        trace=decided,
        fields=tuple(
            FieldExplanation(
                name=name,
                value=float(moment.values[column]),
                expected=known(decided.expected[column]),
                contribution=sum(share.get(column, 0.0) for _, share in counted if share is not None),
                past=_past(moment, past, column),
                unchanged=unchanged_values(moment, decided, column),
            )
            for column, name in enumerate(names)
        ),
        parts=tuple(
            PartExplanation(
                ordinary_values(moment, decided, k),
                None if share is None else {names[column]: one for column, one in share.items()},
            )
            for k, share in enumerate(shares)
        ),
        joint_contribution=sum(part.contribution for part, share in counted if share is None),
    )


def _usual(moment: Moment, past: Surroundings | None) -> NDArray[np.float64]:
    """Return the median of the last values of each field; the record's own where there are none."""
    if past is None or len(past) == 0:
        return moment.values
    return np.median(past.values[-_USUAL_RECORDS:], axis=0)


def _past(moment: Moment, past: Surroundings | None, column: int) -> PastValues | None:
    if past is None or len(past) == 0:
        return None
    values = past.values[:, column]
    distance = np.abs(values[::-1] - moment.values[column])
    ago = int(np.argmin(distance))  # the latest of those that are equally near
    row = len(values) - 1 - ago
    return PastValues(
        records=len(values),
        lowest=float(values.min()),
        highest=float(values.max()),
        nearest=float(values[row]),
        nearest_records_ago=ago + 1,
        nearest_time_ns=int(past.time_ns[row]),
    )
