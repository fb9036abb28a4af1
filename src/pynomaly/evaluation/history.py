"""A flow over its own input: what it said of every series, to be compared with labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import PurePath
from time import process_time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.kernel_loading import load_kernels
from pynomaly.application.quality.corpus import Records
from pynomaly.application.quality.labels import Labels
from pynomaly.application.quality.segment import Window, runs
from pynomaly.application.quality.trial import Judgement, LabelledSeries
from pynomaly.application.replay import replay
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import NoTime
from pynomaly.bootstrap import services_of, source_of
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.event import AnomalyDetected
from pynomaly.domain.outcome import Outcome
from pynomaly.domain.plan import ScoringPlan
from pynomaly.domain.record import Stream

Place = tuple[Stream, str]
"""A series: its stream and its key."""

_OF_BATCH: Final = ("time_ns", "offset", "values")
_OF_OUTCOMES: Final = ("evidence", "ranking_score", "level")
_JUDGED: Final = (Outcome.NORMAL, Outcome.ANOMALOUS, Outcome.SUPPRESSED, Outcome.WARMING)
Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class JudgedSeries:
    """One series of a flow's input and what the flow said of it; its windows are still to come.

    Parameters
    ----------
    series, judgement
        Its records and their verdicts.
    offset
        ``(n,)`` where its records stand in their stream.
    alerts
        What the flow told of those that alerted, in the same order; none where nobody asked.
    """

    series: LabelledSeries
    judgement: Judgement
    offset: NDArray[np.int64]
    alerts: tuple[AnomalyDetected, ...] = ()

    @property
    def time_ns(self) -> NDArray[np.int64]:
        """``(n,)`` event time; all 0 without a clock [ns]."""
        known = self.series.time_ns
        return np.zeros(len(self.offset), np.int64) if known is None else known


@dataclass(frozen=True, slots=True)
class HistoryCorpus:
    """Series in memory."""

    name: str
    members: Mapping[str, LabelledSeries]
    records: Records = "series"

    def series(self) -> tuple[str, ...]:
        """Name the series."""
        return tuple(sorted(self.members))

    def read(self, name: str) -> LabelledSeries:
        """Return one of them."""
        return self.members[name]


@dataclass(frozen=True, slots=True)
class History:
    """All series of a flow's input, the plan that judged them, and the processor time that it took [s]."""

    spec: FlowSpec
    plan: ScoringPlan
    series: Mapping[Place, JudgedSeries]
    cpu_s: float = 0.0

    @property
    def knows_series(self) -> bool:
        """Whether records tell their series; else each input is one."""
        return bool(self.spec.record.series) or self.spec.record.series_from == "message_key"

    def labelled(self, windows_of: Callable[[Place, JudgedSeries], tuple[Window, ...]]) -> dict[str, JudgedSeries]:
        """Return the series with their windows, by name."""
        return {
            one.series.name: replace(one, series=replace(one.series, windows=windows_of(place, one)))
            for place, one in self.series.items()
        }


def judge_input(spec: FlowSpec, *, with_alerts: bool = False) -> History:
    """Let a flow judge its input, from the first record to the last; keeps about 60 bytes a record.

    Parameters
    ----------
    with_alerts
        Keep what it told of alerts too, some 2 KB each.

    Raises
    ------
    ConfigError
        When the flow scores windows: labels are of records.
    PynomalyError
        When the input cannot be read, or where it would stop the flow.
    """
    if spec.window is not None:
        raise ConfigError(Problem("window", "must be left out of a flow that is compared with labels of records"))
    services = services_of(spec)
    load_kernels(services.engine_for, len(services.plan.fields))
    pieces: dict[Place, list[dict[str, Column]]] = defaultdict(list)
    alerts: dict[Place, list[AnomalyDetected]] = defaultdict(list)

    def take(result: DetectionResult) -> None:
        for place, rows in _rows_by_series(result):
            of_batch = {name: getattr(result.batch, name)[rows] for name in _OF_BATCH}
            pieces[place].append(of_batch | {name: getattr(result.outcomes, name)[rows] for name in _OF_OUTCOMES})
        for event in result.events if with_alerts else ():
            if isinstance(event, AnomalyDetected):
                alerts[event.stream, event.series].append(event)

    begun_s = process_time()
    replay(services.source, services.engine_for, take)
    history = History(spec, services.plan.scoring, {}, process_time() - begun_s)
    names = _names(list(pieces), by_key=history.knows_series)
    judged = {place: _judged(place, names[place], history, found) for place, found in pieces.items()}
    told = {place: replace(one, alerts=tuple(alerts[place])) for place, one in judged.items()}
    return replace(history, series=told)


def labelled_by_spans(history: History, labels: Labels) -> dict[str, JudgedSeries]:
    """Give series the windows that a label file tells.

    Raises
    ------
    ConfigError
        When no series has the name of a labelled one.
    """
    names = {place: _name_in(labels, place, by_key=history.knows_series) for place in history.series}
    if labels.spans and not any(name in labels.spans for name in names.values()):
        there, wanted = (", ".join(sorted(set(some))[:3]) or "none" for some in (names.values(), labels.spans))
        raise ConfigError(Problem("--labels", f"must name series of the input, such as {there}, were {wanted}"))
    return history.labelled(lambda place, one: labels.windows(names[place], one.time_ns))


def labelled_by_column(history: History, column: str) -> dict[str, JudgedSeries]:
    """Give series the windows that a column of the records tells: anomalous where it is not 0.

    Raises
    ------
    ConfigError
        When a record that was judged has no number there.
    """
    marks = _numbers(history.spec, column)

    def windows_of(place: Place, one: JudgedSeries) -> tuple[Window, ...]:
        flags = marks[place[0]][one.offset]
        if np.isnan(flags).any():
            where = f"{place[0]} at offset {int(one.offset[np.isnan(flags)][0])}"
            raise ConfigError(
                Problem("--labels", f"column {column!r} must be a number in every record, is none: {where}")
            )
        return tuple(runs(flags != 0))

    return history.labelled(windows_of)


def _rows_by_series(result: DetectionResult) -> Iterator[tuple[Place, NDArray[np.int64]]]:
    judged = np.flatnonzero(np.isin(result.outcomes.outcome, _JUDGED))
    slots = result.slot[judged]
    order = np.argsort(slots, kind="stable")
    for rows in np.split(judged[order], np.flatnonzero(np.diff(slots[order])) + 1):
        if len(rows):
            yield (result.batch.stream, result.batch.key[int(rows[0])].decode()), rows


def _names(places: list[Place], *, by_key: bool) -> dict[Place, str]:
    """Return the shortest names that tell series apart: their keys, or with those of their inputs."""
    if not by_key:
        return {place: str(place[0]) if place[0].partition else place[0].name for place in places}
    unique = len({key for _, key in places}) == len(places)
    return {(stream, key): key if unique else f"{stream}:{key}" for stream, key in places}


def _judged(place: Place, name: str, history: History, pieces: list[dict[str, Column]]) -> JudgedSeries:
    whole = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    stream, _ = place
    record = history.spec.record
    time_ns = None if isinstance(record.time, NoTime) else whole["time_ns"]
    series = LabelledSeries(name, str(PurePath(stream.name).parent), record.values, time_ns, whole["values"], ())
    judgement = Judgement(whole["evidence"], whole["ranking_score"], whole["level"])
    return JudgedSeries(series, judgement, whole["offset"])


def _name_in(labels: Labels, place: Place, *, by_key: bool) -> str:
    """Return the name that labels have for a series: its key, or the longest end of its input's path that they know."""
    stream, key = place
    if by_key:
        return key
    parts = PurePath(stream.name).parts
    tails = ("/".join(parts[first:]) for first in range(len(parts)))
    return next((tail for tail in tails if tail in labels.spans), stream.name)


def _numbers(spec: FlowSpec, column: str) -> dict[Stream, Column]:
    """Return the numbers of a column by stream and offset; NaN where there is none."""
    record = spec.record.model_copy(update={"values": (column,)})
    found: dict[Stream, list[Column]] = defaultdict(list)
    source = source_of(spec.model_copy(update={"record": record}))
    for partition in source.partitions():
        with closing(source.open(partition, None, bounded=True)) as reader:
            while not reader.at_end:
                batch = reader.poll()
                if batch is not None:
                    found[reader.stream].append(np.stack([batch.offset.astype(np.float64), batch.values[:, 0]]))
    return {stream: _by_offset(np.concatenate(pieces, axis=1)) for stream, pieces in found.items()}


def _by_offset(pairs: Column) -> Column:
    numbers = np.full(int(pairs[0].max(initial=-1)) + 1, np.nan)
    numbers[pairs[0].astype(np.int64)] = pairs[1]
    return numbers
