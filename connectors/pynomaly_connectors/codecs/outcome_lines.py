"""Outcomes as JSON lines: what became of each record, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from heapq import merge
from operator import itemgetter
from typing import Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.flow_plan import FlowPlan
from pynomaly.application.ports import Message
from pynomaly.domain.outcome import Level, Outcome, Outcomes, Reason
from pynomaly.domain.record import Float64Matrix, RecordBatch
from pynomaly.domain.report import known, strongest
from pynomaly_connectors.codecs.iso8601 import rfc3339

Which = Literal["not_normal", "all"]
Float64Column = NDArray[np.float64]
_Line = tuple[int, dict[str, object]]  # the offset of the record that caused a line, and the line


def outcome_lines(plan: FlowPlan, which: Which) -> Callable[[DetectionResult], Sequence[Message]]:
    """Return the encoder of a flow's outcomes: one message a record, and after it one for each window it closed.

    Parameters
    ----------
    plan
        Names the fields.
    which
        Records to tell of: all, or those whose outcome is neither *normal* nor *windowed*.
    """
    return partial(_encode, plan, which)


def _encode(plan: FlowPlan, which: Which, result: DetectionResult) -> list[Message]:
    lines = merge(_records(plan, which, result), _windows(plan, which, result), key=itemgetter(0))
    return [Message(orjson.dumps(line)) for _, line in lines]


def _records(plan: FlowPlan, which: Which, result: DetectionResult) -> Iterator[_Line]:
    batch = result.batch
    scored = plan.fields if result.windows is None else ()
    scores, parts = _scores(result.outcomes), _parts(plan)
    for row in _told(result.outcomes, which):
        accepted, offset = batch.refusal[row] == 0, int(batch.offset[row])
        yield (
            offset,
            {
                "stream": batch.stream.name,
                "partition": batch.stream.partition,
                "offset": offset,
                **_origin(batch, row),
                "time": rfc3339(int(batch.time_ns[row])) if accepted else None,
                "series": batch.key[row].decode() if accepted else None,
                "values": _numbers(plan.fields, batch.values, row),
                **_verdict(result.outcomes, scores, row, scored, parts),
            },
        )


def _origin(batch: RecordBatch, row: int) -> dict[str, object]:
    """Return where a record stood before it was copied by series; nothing in other flows."""
    if batch.origins is None:
        return {}
    origin = batch.origins.at(row)
    return {"origin": None if origin is None else str(origin)}


def _windows(plan: FlowPlan, which: Which, result: DetectionResult) -> Iterator[_Line]:
    if result.windows is None:
        return
    closed, stream = result.windows.closed, result.batch.stream
    scores, parts = _scores(result.windows.outcomes), _parts(plan)
    for row in _told(result.windows.outcomes, which):
        yield (
            int(closed.closed_by_offset[row]),
            {
                "stream": stream.name,
                "partition": stream.partition,
                "window": {"start": rfc3339(int(closed.start_ns[row])), "end": rfc3339(int(closed.end_ns[row]))},
                "series": result.windows.series[row],
                "records": int(closed.count[row]),
                "values": _numbers(plan.scoring.fields, closed.values, row),
                **_verdict(result.windows.outcomes, scores, row, plan.scoring.fields, parts),
            },
        )


def _told(outcomes: Outcomes, which: Which) -> Iterator[int]:
    kinds = outcomes.outcome
    quiet = (kinds == Outcome.NORMAL) | (kinds == Outcome.WINDOWED)
    rows = np.arange(len(outcomes)) if which == "all" else np.flatnonzero(~quiet)
    return map(int, rows)


def _scores(outcomes: Outcomes) -> dict[str, Float64Column]:
    return {
        "evidence": outcomes.evidence,
        "ranking_score": outcomes.ranking_score,
        "alert_score": outcomes.alert_score,
        "severity": outcomes.highest_severity,
    }


def _verdict(
    outcomes: Outcomes, scores: dict[str, Float64Column], row: int, fields: tuple[str, ...], parts: tuple[str, ...]
) -> dict[str, object]:
    reason = Reason(int(outcomes.reason[row]))
    return {
        "outcome": reason.outcome.label,
        "reason": reason.label,
        "level": Level(int(outcomes.level[row])).label,
        **{name: known(column[row]) for name, column in scores.items()},
        "expected": _numbers(fields, outcomes.expected, row),
        "contributions": _contributions(parts, outcomes.contribution[row]),
    }


def _parts(plan: FlowPlan) -> tuple[str, ...]:
    return tuple(part.name for part in plan.scoring.parts)


def _contributions(parts: tuple[str, ...], contribution: Float64Column) -> dict[str, float]:
    return {parts[part]: float(contribution[part]) for part in strongest(contribution)} if contribution.any() else {}


def _numbers(names: tuple[str, ...], columns: Float64Matrix, row: int) -> dict[str, float | None]:
    return {name: known(columns[row, column]) for column, name in enumerate(names)}
