"""The Python SDK: the engine of the flows for data in memory.

>>> import pynomaly
>>> values = [20.0, 20.5, 19.5, 20.2] * 100 + [80.0]
>>> found = pynomaly.detect({"value": values}, value="value")
>>> str(found["level"][-1]), float(found["value"][-1])
('critical', 80.0)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast, overload

import numpy as np

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.replay import detect as detect_batches
from pynomaly.application.spec.adhoc import Columns, Entry, adhoc_flow
from pynomaly.application.spec.record import TimeFormat
from pynomaly.bootstrap import engine_factory, plan_of
from pynomaly.domain.error import BadRecordError
from pynomaly.domain.outcome import EXPLANATIONS, Level, Outcome, Outcomes, Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly.domain.report import known
from pynomaly_connectors.files.outcome_table import Column, OutcomeTable, Table, joined
from pynomaly_connectors.frames import batches_from

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Name = str | int
Names = Name | Sequence[Name]
Detectors = Entry | Sequence[Entry]

_STREAM: Final = Stream("frame")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one record.

    Parameters
    ----------
    outcome
        `normal`, `anomalous`, `suppressed`, `warming` or `rejected`.
    reason
        Why; `EXPLANATIONS` of `pynomaly.domain.outcome` has a sentence for each.
    level
        Level of the alert; `none` where there is none.
    evidence
        The severities combined; None while unknown.
    severity
        The highest severity of any part; None while unknown.
    expected
        Value of each field that would have been ordinary; None while unknown.
    contributions
        What each part added to the evidence.
    """

    outcome: str
    reason: str
    level: str
    evidence: float | None
    severity: float | None
    expected: dict[str, float | None]
    contributions: dict[str, float]

    @property
    def is_anomalous(self) -> bool:
        """Whether the record alerted."""
        return self.outcome == Outcome.ANOMALOUS.label


class Engine:
    """Judges records one at a time or frame by frame, each by what came before it.

    Parameters
    ----------
    values
        Names of the value columns; numbers in an array.
    detectors
        Names, ``"NAME:option=value,..."`` or mappings as in a flow file; none: `auto`.
    time, time_format
        Name of the time and how it is written where it is text or a number; None: no clock.
    series
        Names of what tells series apart; none: one series.
    levels
        Evidence of the alert levels, such as ``{"watch": 2.3, "warning": 4.0}``; None: the defaults.

    Raises
    ------
    ConfigError
        With everything that is wrong with these.

    Examples
    --------
    >>> engine = Engine("value", "ew_zscore:calibration.warm_up=50")
    >>> verdicts = [engine.process_one(value=20.0 + number % 3) for number in range(100)]
    >>> verdicts[0].reason, verdicts[-1].outcome
    ('detector_warming', 'normal')
    >>> engine.process_one(value=90.0).is_anomalous
    True
    """

    def __init__(
        self,
        values: Names,
        detectors: Detectors = (),
        *,
        time: Name | None = None,
        time_format: TimeFormat = "iso8601",
        series: Names = (),
        levels: Mapping[str, float] | None = None,
    ) -> None:
        self._values, self._series, self._time = _names(values), _names(series), time
        columns = Columns(_texts(self._values), None if time is None else str(time), time_format, _texts(self._series))
        entries = [detectors] if isinstance(detectors, str | Mapping) else detectors
        spec = adhoc_flow({"kind": "memory", "topic": _STREAM.name}, columns, entries, levels)
        plan = plan_of(spec)
        self._time_format: TimeFormat = time_format
        self._parts = tuple(part.name for part in plan.scoring.parts)
        self._table = OutcomeTable(plan.fields, self._parts, has_clock=columns.has_clock)
        self._engine = engine_factory(plan)(_STREAM)

    @property
    def records(self) -> int:
        """Records judged so far, rejected ones included."""
        return self._engine.records

    def process_one(self, *, time: object = None, series: object = (), **values: object) -> Verdict:
        """Judge one record and learn it; costs about 0.2 ms, a frame far less a record.

        Parameters
        ----------
        time
            Its time, if the engine was given a name for it.
        series
            Its series; a sequence if several columns make the key.
        **values
            Its values by name. (Columns called `time` or `series` need `process`.)

        Raises
        ------
        BadRecordError
            When the record cannot be used; it counts as rejected and teaches nothing.
        TypeError
            When the arguments are not those that the engine was made for.
        """
        (result,) = self._results(self._row(time, series, values))
        return self._verdict(result.outcomes)

    # A frame is an object too, which mypy calls an overlap; the first signature that fits is the one meant.
    @overload
    def process(self, frame: pd.DataFrame) -> pd.DataFrame: ...  # type: ignore[overload-overlap]
    @overload
    def process(self, frame: pl.DataFrame) -> pl.DataFrame: ...  # type: ignore[overload-overlap]
    @overload
    def process(self, frame: object) -> Table: ...
    def process(self, frame: Any) -> Any:
        """Judge the rows of a frame in their order and learn them; costs about 2 us a row.

        Parameters
        ----------
        frame
            A frame of pandas or polars, a mapping of columns, a NumPy array (its columns are called 0, 1, ...), or
            an iterable of mappings or of numbers.

        Returns
        -------
        A frame of the same library, with the index of pandas kept; else a dict of arrays. Its columns are those of
        the outcomes file of `pynomaly detect`, one row for each row of the frame.

        Raises
        ------
        ConfigError
            When a column does not exist.
        TypeError
            When the frame is none of these.
        """
        tables = [self._table.rows(result) for result in self._results(frame)]
        return _like(frame, joined(tables, self._table.names))

    def snapshot(self) -> bytes:
        """Return everything the engine has learned, verifiable and free of pickle."""
        return self._engine.snapshot()

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot.

        Raises
        ------
        StateError
            When it is damaged, or of an engine with other columns, detectors or levels.
        """
        self._engine.restore(state)

    def _row(self, time: object, series: object, values: Mapping[str, object]) -> dict[Name, Column]:
        """Return one record as a table."""
        names = _texts(self._values)
        keys = [series] if isinstance(series, str | int) else list(cast("Sequence[object]", series))
        if not set(values) <= set(names):
            raise TypeError(f"values must be named {', '.join(names)}, was {', '.join(values)}")
        if len(keys) != len(self._series):
            raise TypeError(f"series must have {len(self._series)} parts as the engine was told, was {series!r}")
        if time is not None and self._time is None:
            raise TypeError("time must be left out: the engine was given no name for it")
        row: dict[Name, object] = {name: values.get(str(name)) for name in self._values}
        row |= dict(zip(self._series, keys, strict=True))
        row |= {} if self._time is None else {self._time: time}
        return {name: _cell(value) for name, value in row.items()}

    def _results(self, frame: object) -> Iterator[DetectionResult]:
        batches = batches_from(
            frame,
            values=self._values,
            time=self._time,
            time_format=self._time_format,
            series=self._series,
            stream_name=_STREAM.name,
        )
        yield from detect_batches(map(self._after(self._engine.records), batches), self._engine)

    @staticmethod
    def _after(records: int) -> Callable[[RecordBatch], RecordBatch]:
        return lambda batch: replace(batch, offset=batch.offset + records)

    def _verdict(self, outcomes: Outcomes) -> Verdict:
        reason = Reason(int(outcomes.reason[0]))
        if reason.outcome is Outcome.REJECTED:
            raise BadRecordError(f"record must be usable, was rejected as {reason.label}: {EXPLANATIONS[reason]}")
        return Verdict(
            outcome=reason.outcome.label,
            reason=reason.label,
            level=Level(int(outcomes.level[0])).label,
            evidence=known(outcomes.evidence[0]),
            severity=known(outcomes.highest_severity[0]),
            expected={field: known(cell) for field, cell in zip(self._table.fields, outcomes.expected[0], strict=True)},
            contributions=dict(zip(self._parts, outcomes.contribution[0].tolist(), strict=True)),
        )


@overload
def detect(  # type: ignore[overload-overlap] # as above
    frame: pd.DataFrame,
    value: Names,
    *,
    time: Name | None = ...,
    time_format: TimeFormat = ...,
    series: Names = ...,
    detector: Detectors = ...,
    levels: Mapping[str, float] | None = ...,
) -> pd.DataFrame: ...
@overload
def detect(  # type: ignore[overload-overlap]
    frame: pl.DataFrame,
    value: Names,
    *,
    time: Name | None = ...,
    time_format: TimeFormat = ...,
    series: Names = ...,
    detector: Detectors = ...,
    levels: Mapping[str, float] | None = ...,
) -> pl.DataFrame: ...
@overload
def detect(
    frame: object,
    value: Names = ...,
    *,
    time: Name | None = ...,
    time_format: TimeFormat = ...,
    series: Names = ...,
    detector: Detectors = ...,
    levels: Mapping[str, float] | None = ...,
) -> Table: ...
def detect(
    frame: Any,
    value: Names = 0,
    *,
    time: Name | None = None,
    time_format: TimeFormat = "iso8601",
    series: Names = (),
    detector: Detectors = (),
    levels: Mapping[str, float] | None = None,
) -> Any:
    """Find anomalies in a frame: the same rules and engine as a flow, nothing kept.

    Parameters
    ----------
    frame
        See `Engine.process`.
    value
        Column of numbers to look at, or several; the default suits a one-dimensional array.
    time, time_format, series, detector, levels
        As for `Engine`.

    Raises
    ------
    ConfigError
        With everything that is wrong with the arguments.
    TypeError
        When the frame is of no kind that `Engine.process` takes.
    """
    engine = Engine(value, detector, time=time, time_format=time_format, series=series, levels=levels)
    return engine.process(frame)


def _cell(value: object) -> Column:
    """Return a column of one cell as it is: a list of numbers would become floats, and 7.0 is no series."""
    column = np.empty(1, np.object_)
    column[0] = value
    return column


def _names(names: Names) -> tuple[Name, ...]:
    return (names,) if isinstance(names, str | int) else tuple(names)


def _texts(names: Sequence[Name]) -> tuple[str, ...]:
    return tuple(map(str, names))


def _like(frame: object, table: Table) -> object:
    """Return a table in the form of the library that the frame came from."""
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas":
        return _as_pandas(cast("pd.DataFrame", frame), table)
    return _as_polars(table) if library == "polars" else table


def _as_pandas(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - loaded already: the frame is one of its

    made = pd.DataFrame(table, index=frame.index)
    for name, column in table.items():
        if _is_time(column):
            made[name] = made[name].dt.tz_localize("UTC")
    return made


def _as_polars(table: Table) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - loaded already: the frame is one of its

    made = pl.DataFrame({name: column.tolist() if column.dtype == object else column for name, column in table.items()})
    times = [pl.col(name).dt.replace_time_zone("UTC") for name, column in table.items() if _is_time(column)]
    return made.with_columns(times)


def _is_time(column: Column) -> bool:
    return column.dtype.kind == "M"
