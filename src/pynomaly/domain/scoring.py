"""The state of one stream's scoring, and the kernel that moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.calibrator import layout_of
from pynomaly.domain.decision import series_dtype
from pynomaly.domain.error import StateError
from pynomaly.domain.kernel import PartIndex, part_indices
from pynomaly.domain.layout import Layout
from pynomaly.domain.outcome import Outcomes
from pynomaly.domain.plan import NativeSource, ScoringPlan
from pynomaly.domain.record import ByteColumn, Float64Matrix, Int64Column
from pynomaly.domain.state import Array, StateImage

ProcessKernel = Callable[..., None]
_FIRST_CAPACITY: Final = 64


@dataclass(frozen=True, slots=True)
class _Table:
    """One structured array, a row a series, and what a new row holds."""

    rows: Array
    initial: Array

    def grown(self, size: int) -> _Table:
        """Make room; rows beyond the old ones are not written, so that they cost no memory before they are used."""
        # Rows read back from bytes have an equal dtype that is not marked as aligned: another type to compiled code,
        # which would be compiled once more. So the dtype is always that of the plan.
        larger = np.empty(size, self.initial.dtype)
        _bytes_of(larger)[: len(self.rows)] = _bytes_of(self.rows)
        return _Table(larger, self.initial)

    def begin(self, slots: slice | Int64Column) -> None:
        """Give new series their state before the first record."""
        _bytes_of(self.rows)[slots] = _bytes_of(self.initial)

    def chosen(self, slots: slice | Int64Column) -> Array:
        """Return the rows of some series, padding included; a slice costs no copy."""
        return _bytes_of(self.rows)[slots].view(self.initial.dtype)


class Scoring:
    """Scores, judges and learns the records of one stream.

    Memory is `bytes_per_series` times the number of series; while it grows, the old rows come on top.

    Parameters
    ----------
    plan
        What to score.
    process
        The compiled kernel that `pynomaly.domain.kernel.render` wrote for this plan.
    """

    def __init__(self, plan: ScoringPlan, process: ProcessKernel) -> None:
        self._plan = plan
        self._process = process
        self._indices = part_indices(plan)
        layouts = _layouts(plan, self._indices)
        self._params = {name: layout.params for name, layout in layouts.items()}
        self._tables = {
            name: _Table(np.empty(0, layout.initial.dtype), layout.initial).grown(_FIRST_CAPACITY)
            for name, layout in layouts.items()
        }
        self._series_count = 0
        self._rules = np.concatenate([channel.rules() for channel in plan.channels])
        self._part_rules = tuple(part.rules() for part in plan.parts)

    @property
    def plan(self) -> ScoringPlan:
        """What is scored."""
        return self._plan

    @property
    def kernel(self) -> ProcessKernel:
        """The compiled kernel of the plan."""
        return self._process

    @property
    def bytes_per_series(self) -> int:
        """Size of one series' state [bytes]."""
        return sum(table.initial.dtype.itemsize for table in self._tables.values())

    def process(
        self,
        slot: Int64Column,
        refusal: ByteColumn,
        time_ns: Int64Column,
        values: Float64Matrix,
        external: Float64Matrix,
        series_count: int,
    ) -> Outcomes:
        """Judge ``n`` records in order and learn them.

        Parameters
        ----------
        slot
            ``(n,)`` series of each record, below ``series_count``.
        refusal
            ``(n,)`` reason of a record that must not be scored, else 0.
        time_ns, values
            ``(n,)`` and ``(n, d)``.
        external
            ``(n, m)`` scores of the adapted parts, in the plan's order.
        """
        self._reserve(series_count)
        outcomes = Outcomes.empty(len(slot), len(self._plan.parts), len(self._plan.fields))
        self._process(
            slot,
            refusal,
            time_ns,
            values,
            self._vectors(values),
            external,
            self._tables["series"].rows,
            self._rules,
            self._numbered("state"),
            self._numbered_params("state"),
            self._part_rules,
            self._numbered("calibrator"),
            self._numbered_params("calibrator"),
            outcomes.reason,
            outcomes.level,
            outcomes.evidence,
            outcomes.ranking_score,
            outcomes.bar,
            outcomes.score,
            outcomes.severity,
            outcomes.contribution,
            outcomes.expected,
        )
        return outcomes

    def state_of(self, slot: int) -> StateImage:
        """Return a copy of the state of one series, which may begin with its next record."""
        self._reserve(slot + 1)
        return self.snapshot(np.array([slot]))

    def restart(self, slots: Int64Column) -> None:
        """Let series that take the place of others begin with the state before the first record."""
        if len(slots):
            for table in self._tables.values():
                table.begin(slots)

    def snapshot(self, slots: slice | Int64Column) -> StateImage:
        """Return the rows of some series, in the order given."""
        return StateImage({}, {name: table.chosen(slots) for name, table in self._tables.items()})

    def restore(self, image: StateImage) -> None:
        """Take over the rows of a snapshot.

        Raises
        ------
        StateError
            When the layout is not this plan's.
        """
        _check_layout(image.sections, self._tables)
        for name, table in self._tables.items():
            rows = image.sections[name]
            self._tables[name] = _Table(rows, table.initial).grown(max(len(rows), _FIRST_CAPACITY))
        self._series_count = len(image.sections["series"])

    def _reserve(self, series_count: int) -> None:
        """Have a row in every table for each series."""
        capacity = len(self._tables["series"].rows)
        if series_count > capacity:
            size = max(series_count, 2 * capacity)
            self._tables = {name: table.grown(size) for name, table in self._tables.items()}
        for table in self._tables.values():
            table.begin(slice(self._series_count, series_count))
        self._series_count = max(self._series_count, series_count)

    def _vectors(self, values: Float64Matrix) -> tuple[Float64Matrix, ...]:
        """Return the contiguous columns of every part that sees several fields together."""
        everything = tuple(range(len(self._plan.fields)))
        return tuple(
            values if part.fields == everything else np.ascontiguousarray(values[:, list(part.fields)])
            for part, index in zip(self._plan.parts, self._indices, strict=True)
            if index.vector is not None and part.facet == 0
        )

    def _numbered(self, kind: str) -> tuple[NDArray[Any], ...]:
        return tuple(table.rows for name, table in self._tables.items() if name.startswith(f"{kind}."))

    def _numbered_params(self, kind: str) -> tuple[NDArray[Any], ...]:
        return tuple(params for name, params in self._params.items() if name.startswith(f"{kind}."))


def _bytes_of(rows: Array) -> Array:
    """See rows as plain bytes: copied so, padding is copied too, and equal states are equal bytes."""
    return rows.view(np.dtype((np.void, rows.dtype.itemsize)))


def _layouts(plan: ScoringPlan, indices: tuple[PartIndex, ...]) -> dict[str, Layout]:
    """Name the tables of a plan, in the order in which the kernel numbers them."""
    guards = sum(index.guard is not None for index in indices)
    series = series_dtype(guards, len(plan.channels), keeps_interval=plan.keeps_interval)
    layouts = {"series": Layout(np.zeros(1, series), np.zeros(0))}
    for part, index in zip(plan.parts, indices, strict=True):
        if part.facet == 0 and isinstance(part.source, NativeSource):
            layouts[f"state.{part.name}"] = part.source.detector.layout(part.source.options, len(part.fields))
        if index.calibrator is not None:
            layouts[f"calibrator.{part.name}"] = layout_of(part.calibration)
    return layouts


def _check_layout(sections: Mapping[str, Array], tables: Mapping[str, _Table]) -> None:
    if set(sections) != set(tables):
        raise StateError(
            f"state must hold the parts {sorted(tables)}, held {sorted(sections)}: other detectors wrote it"
        )
    for name, table in tables.items():
        if sections[name].dtype != table.rows.dtype:
            raise StateError(f"state of {name} must have the layout of this version, had {sections[name].dtype}")
