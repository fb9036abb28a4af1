"""How often severities of ordinary records reach heights that should be rare, measured with the engine's kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors import NATIVE_DETECTORS
from pynomaly.domain.kernel import render
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.infrastructure.kernels import KernelLibrary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Kinds of series, none of which holds an anomaly.
KINDS: Final = (
    *("normal", "exponential", "t3", "uniform", "poisson"),
    *("ar1 0.5", "ar1 0.9", "returning walk", "daily season"),
)
_FIELDS: Final = 3  # that a detector of several sees
_STEP_NS: Final = 300 * 10**9
_START_NS: Final = 1_700_000_000 * 10**9
_DAY_RECORDS: Final = 288
_NORMAL_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Sample:
    """Series of one kind, and how many of their first records are not counted.

    Parameters
    ----------
    kind
        One of `KINDS`.
    series, records
        How many series, and records of each.
    skipped
        Records of each series that are scored and learned, but not counted.
    seed
        Seed of the values.
    """

    kind: str
    series: int = 200
    records: int = 50_000
    skipped: int = 10_000
    seed: int = 1

    def draw(self, number: int, fields: int) -> tuple[Ints, Floats]:
        """Return the times and the ``(records, fields)`` values of one series."""
        rng = np.random.default_rng([self.seed, KINDS.index(self.kind), number])
        jitter = rng.uniform(-0.25, 0.25, self.records)
        times = _START_NS + ((np.arange(self.records) + jitter) * _STEP_NS).astype(np.int64)
        return times, np.ascontiguousarray(_values(self.kind, rng, (self.records, fields)))


@dataclass(frozen=True, slots=True)
class Rate:
    """Share of records whose number reaches a height.

    Parameters
    ----------
    share
        Of the records for which it is known; NaN if there is none.
    error
        Half of the 95 % interval, from the differences between series, whose records depend on each other.
    """

    share: float
    error: float


def plan_for(detector: str, calibration: CalibrationOptions | None = None) -> ScoringPlan:
    """Return the plan of one native detector with its own options, on one field or on three."""
    native = NATIVE_DETECTORS[detector]
    fields = tuple(f"field_{number}" for number in range(_FIELDS if native.takes_vector else 1))
    source, seen = NativeSource(native, native.options()), tuple(range(len(fields)))
    first = Part(detector, source, seen, calibration or native.calibration, channel=native.channel)
    facets = [replace(first, name=f"{detector}.{name}", facet=place) for place, name in enumerate(native.facets)]
    return ScoringPlan(fields, tuple(facets) or (first,))


def severity_rates(plan: ScoringPlan, sample: Sample, heights: tuple[float, ...]) -> list[list[Rate]]:
    """Return for each part of a plan how often its severity reaches each height."""
    counts = _counts(plan, sample, heights, evidence=False)
    return [[_rate(counts[:, part], place) for place in range(len(heights))] for part in range(counts.shape[1])]


def evidence_rates(plan: ScoringPlan, sample: Sample, heights: tuple[float, ...]) -> list[Rate]:
    """Return how often the evidence, of all parts together, reaches each height."""
    counts = _counts(plan, sample, heights, evidence=True)[:, 0]
    return [_rate(counts, place) for place in range(len(heights))]


def _counts(plan: ScoringPlan, sample: Sample, heights: tuple[float, ...], *, evidence: bool) -> Ints:
    """Count the known records and those that reach each height: ``(series, parts, 1 + heights)``."""
    scoring = Scoring(plan, KernelLibrary.default().fused(render(plan)))
    rows, none = sample.records, np.empty((sample.records, 0))
    counts: list[Ints] = []
    for number in range(sample.series):
        times, values = sample.draw(number, len(plan.fields))
        slot = np.full(rows, number)
        outcomes = scoring.process(slot, np.zeros(rows, np.uint8), times, values, none, sample.series)
        judged = outcomes.evidence[:, np.newaxis] if evidence else outcomes.severity
        judged = judged[sample.skipped :]
        known = np.sum(~np.isnan(judged), axis=0)
        counts.append(np.stack([known, *(np.sum(judged >= height, axis=0) for height in heights)], axis=1))
    return np.array(counts)


def _rate(counts: Ints, height: int) -> Rate:
    known, reached = counts[:, 0], counts[:, 1 + height]
    if not known.sum():
        return Rate(float("nan"), float("nan"))
    spread = float(reached.std(ddof=1)) if len(reached) > 1 else float("nan")
    return Rate(float(reached.sum() / known.sum()), _NORMAL_95 * spread / sqrt(len(reached)) / float(known.mean()))


def _values(kind: str, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    draw: dict[str, Callable[[], Floats]] = {
        "normal": lambda: rng.standard_normal(shape),
        "exponential": lambda: rng.exponential(size=shape),
        "t3": lambda: rng.standard_t(3.0, shape),
        "uniform": lambda: rng.random(shape),
        "poisson": lambda: rng.poisson(8.0, shape).astype(np.float64),
        "ar1 0.5": lambda: _autoregressive(rng, 0.5, shape),
        "ar1 0.9": lambda: _autoregressive(rng, 0.9, shape),
        "returning walk": lambda: _autoregressive(rng, 0.999, shape),
        "daily season": lambda: rng.standard_normal(shape) + _day(shape[0]),
    }
    return draw[kind]()


def _day(records: int) -> Floats:
    return 3.0 * np.sin(2.0 * np.pi * np.arange(records) / _DAY_RECORDS)[:, np.newaxis]


def _autoregressive(rng: np.random.Generator, memory: float, shape: tuple[int, int]) -> Floats:
    """Return series of variance 1 whose values are those before them times ``memory``, and noise."""
    values = rng.standard_normal(shape)
    values[1:] *= sqrt(1.0 - memory**2)
    for column in range(shape[1]):
        walk = values[:, column].tolist()
        for place in range(1, len(walk)):
            walk[place] += memory * walk[place - 1]
        values[:, column] = walk
    return values
