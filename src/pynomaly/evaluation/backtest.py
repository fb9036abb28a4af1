"""Several specs on the same history: what each would have alerted of, and what only one of them would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from time import process_time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.agreement import Rows, alert_ranges, lone_ranges, shared_ratio
from pynomaly.application.quality.corpus import Corpus
from pynomaly.application.quality.trial import LabelledSeries
from pynomaly.application.spec.explain import bytes_per_series
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.domain.event import AnomalyDetected
from pynomaly.domain.outcome import Level
from pynomaly.domain.plan import ScoringPlan
from pynomaly.domain.record import Stream
from pynomaly.evaluation.bench import bench_for
from pynomaly.evaluation.contender import Contender
from pynomaly.evaluation.history import JudgedSeries, Place, judge_input

_DAY_NS: Final = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Backtested:
    """What one spec made of a history.

    Parameters
    ----------
    name
        Unique in a backtest.
    plan
        What judged.
    series
        Its verdicts.
    cpu_s
        Processor time that it took, kernels loaded; of a flow's input with reading it [s].
    bytes_per_series
        Memory of one series, without models of other libraries [bytes].
    """

    name: str
    plan: ScoringPlan
    series: Mapping[Place, JudgedSeries]
    cpu_s: float
    bytes_per_series: int

    @property
    def records(self) -> int:
        """Records judged."""
        return sum(len(one.offset) for one in self.series.values())

    @property
    def alerts(self) -> Counter[Level]:
        """Alerts by level."""
        return Counter(alert.level for one in self.series.values() for alert in one.alerts)

    @property
    def alerted_series(self) -> int:
        """Series with an alert."""
        return sum(bool(one.alerts) for one in self.series.values())

    @property
    def series_days(self) -> float:
        """Event time from the first to the last record, summed over the series; NaN without a clock [d]."""
        return sum((_days([one]) for one in self.series.values()), 0.0)

    @property
    def days(self) -> float:
        """Event time from the first to the last record of all series; NaN without a clock [d]."""
        return _days(list(self.series.values()))


@dataclass(frozen=True, slots=True)
class LoneRange:
    """Alerts close together that one spec raised and no other.

    Parameters
    ----------
    spec
        Number of the spec.
    series
        Where.
    alerts
        In the order of the series, at least one.
    """

    spec: int
    series: Place
    alerts: tuple[AnomalyDetected, ...]

    @property
    def strongest(self) -> AnomalyDetected:
        """The alert of the highest level, of those the one with most evidence, of those the first."""
        return max(self.alerts, key=lambda alert: (alert.level, alert.evidence))


@dataclass(frozen=True)
class Backtest:
    """Specs on the same history.

    Parameters
    ----------
    specs
        What each made of it.
    reach
        Rows of a series by which alerts may be apart and still be one event.
    """

    specs: tuple[Backtested, ...]
    reach: int

    @cached_property
    def series(self) -> dict[Place, JudgedSeries]:
        """Every series, as the first spec that knows it saw it; in the order of their names."""
        known = {place: one for spec in reversed(self.specs) for place, one in spec.series.items()}
        return dict(sorted(known.items(), key=lambda item: item[1].series.name))

    @cached_property
    def rows(self) -> list[dict[Place, Rows]]:
        """The rows at which each spec alerted, by series; rows count the records that any spec judged."""
        axis = {place: self._axis(place) for place in self.series}
        return [
            {place: np.searchsorted(axis[place], offsets) for place, offsets in _alerted(spec, self.series).items()}
            for spec in self.specs
        ]

    @property
    def ranges(self) -> list[int]:
        """How many events the alerts of each spec come to."""
        return [sum(len(alert_ranges(rows, self.reach)) for rows in of_spec.values()) for of_spec in self.rows]

    @cached_property
    def lone(self) -> list[LoneRange]:
        """What only one spec alerted of, the strongest first; empty for a single spec."""
        found = [one for place in self.series for one in self._lone_in(place)] if len(self.specs) > 1 else []
        return sorted(found, key=lambda one: (-one.strongest.level, -one.strongest.evidence))

    def shared(self, one: int, other: int) -> float:
        """Return the records that two specs alerted of, as a ratio of those that either did; NaN where neither did."""
        return shared_ratio(list(self.rows[one].values()), list(self.rows[other].values()))

    def _axis(self, place: Place) -> NDArray[np.int64]:
        known = [spec.series[place].offset for spec in self.specs if place in spec.series]
        return np.unique(np.concatenate(known))

    def _lone_in(self, place: Place) -> Iterator[LoneRange]:
        judges = [of_spec[place] for of_spec in self.rows]
        for number, windows in enumerate(lone_ranges(judges, self.reach)):
            for first, last in windows:
                begin, end = np.searchsorted(judges[number], (first, last + 1)).tolist()
                yield LoneRange(number, place, self.specs[number].series[place].alerts[begin:end])


def backtest_input(flows: Mapping[str, FlowSpec], reach: int) -> Backtest:
    """Let flows judge the same input, each in a run of its own; keeps about 60 bytes a record and flow.

    Parameters
    ----------
    flows
        By names of their own.
    reach
        See `Backtest`.

    Raises
    ------
    PynomalyError
        When a flow scores windows, or the input cannot be read.
    """
    found: list[Backtested] = []
    for name, flow in flows.items():
        history = judge_input(flow, with_alerts=True)
        found.append(Backtested(name, history.plan, history.series, history.cpu_s, bytes_per_series(flow)))
    return Backtest(tuple(found), reach)


def backtest_corpus(contenders: Sequence[Contender], corpus: Corpus, reach: int) -> Backtest:
    """Let contenders judge every series of a corpus, each from a cold start.

    Raises
    ------
    PynomalyError
        When a contender cannot judge such series, or a series cannot be read.
    """
    series = [corpus.read(name) for name in corpus.series()]
    return Backtest(tuple(_of_contender(contender, series) for contender in contenders), reach)


def _of_contender(contender: Contender, series: Sequence[LabelledSeries]) -> Backtested:
    cpu_s, found = 0.0, dict[Place, JudgedSeries]()
    for one in series:
        bench = bench_for(contender, one.fields, has_clock=one.time_ns is not None)
        bench.judge(one.without_records())
        begun_s = process_time()
        judgement, alerts = bench.judge_and_tell(one)
        cpu_s += process_time() - begun_s
        found[Stream(one.name), ""] = JudgedSeries(one, judgement, np.arange(len(one)), alerts)
    first = bench_for(contender, series[0].fields, has_clock=series[0].time_ns is not None)
    return Backtested(contender.name, first.plan, found, cpu_s, first.bytes_per_series)


def _alerted(spec: Backtested, places: Mapping[Place, JudgedSeries]) -> dict[Place, Rows]:
    """Return the offsets of alerts by series, with an empty column where a spec knows a series not."""
    alerts = {place: spec.series[place].alerts if place in spec.series else () for place in places}
    return {place: np.array([alert.offset for alert in told], np.int64) for place, told in alerts.items()}


def _days(series: Sequence[JudgedSeries]) -> float:
    times = [one.series.time_ns for one in series]
    if any(time is None for time in times):
        return nan
    known = [time for time in times if time is not None and len(time)]
    return (max(time.max() for time in known) - min(time.min() for time in known)) / _DAY_NS if known else 0.0
