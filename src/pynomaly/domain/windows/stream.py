"""The windows of one stream: records in, closed windows out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import StateError
from pynomaly.domain.record import ByteColumn, Float64Matrix, Int64Column
from pynomaly.domain.state import StateImage
from pynomaly.domain.windows.absorb import CLOSED, PARAMS, PROGRESS, absorb
from pynomaly.domain.windows.pane import BLOCK, MOMENTS, NEVER, NO_PANE, PANE
from pynomaly.domain.windows.plan import AGGREGATES, WindowPlan
from pynomaly.domain.windows.watermark import WATERMARK, restored_marks

AbsorbKernel = Callable[..., tuple[NDArray[Any], Float64Matrix]]


@dataclass(frozen=True, slots=True)
class ClosedWindows:
    """``m`` closed windows, ordered by end and then by slot.

    Parameters
    ----------
    slot
        ``(m,)`` series.
    start_ns, end_ns
        ``(m,)`` half-open span of event time.
    count
        ``(m,)`` records inside, 1 or more: a window without records is not told.
    values
        ``(m, d * a)`` aggregates, field by field, in the order of `WindowPlan.columns`; NaN in refused rows.
    refusal
        ``(m,)`` 0, or `Reason.NOT_FINITE` where an aggregate overflowed (values beyond 1e150).
    closed_by_offset
        ``(m,)`` the record whose time moved the watermark to the end of the window.
    """

    slot: Int64Column
    start_ns: Int64Column
    end_ns: Int64Column
    count: Int64Column
    values: Float64Matrix
    refusal: ByteColumn
    closed_by_offset: Int64Column

    def __len__(self) -> int:
        return len(self.slot)

    def until(self, offset: int) -> ClosedWindows:
        """Return those that records before an offset closed, as views: they stand first."""
        return self._at(slice(0, int(np.searchsorted(self.closed_by_offset, offset))))

    def in_birth_order(self, born: Int64Column) -> ClosedWindows:
        """Return them with those of one moment ordered by the ``(m,)`` first records of their series."""
        return self._at(np.lexsort((born, self.end_ns, self.closed_by_offset)))

    def _at(self, rows: slice | Int64Column) -> ClosedWindows:
        return ClosedWindows(*(getattr(self, column.name)[rows] for column in fields(self)))


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What became of ``n`` records, and the windows that they closed.

    Parameters
    ----------
    reason
        ``(n,)`` the record's refusal, or TIME_JUMP, BEHIND_WATERMARK or IN_WINDOW.
    closed
        Windows whose end the watermark reached within these records.
    """

    reason: ByteColumn
    closed: ClosedWindows


class Windows:
    """Event-time windows of all series of one stream, on the stream's watermark.

    A record is late iff every window that should hold it has an end at or before the watermark; else it goes
    into those that are still open. Reasons and windows depend on the records alone, never on how they were cut into
    batches. The end of the input closes nothing.

    State is bounded by the number of series: `WindowPlan.bytes_per_series` each; beside it stands room for as many
    windows as ever closed in one batch. A record costs O(d), a closed window O(d * size / slide), a moment at
    which windows end O(series / 64); a batch in which none ends costs nothing more.

    Parameters
    ----------
    plan
        The windows.
    fields
        Value fields ``d`` of a record.
    kernel
        `absorb`, or the same function from a cache on disk.
    """

    def __init__(self, plan: WindowPlan, fields: int, *, kernel: AbsorbKernel = absorb) -> None:
        self.plan = plan
        self._fields = fields
        self._kernel = kernel
        self._params = np.array(
            [(plan.lateness_ns, plan.max_jump_ns, plan.slide_ns, plan.size_ns // plan.slide_ns)], PARAMS
        )
        self._aggregates = np.array([AGGREGATES.index(name) for name in plan.aggregates], np.int64)
        self._progress = np.zeros(1, PROGRESS)
        self._closed = np.empty(256, CLOSED)
        self._measures = np.empty((256, fields * len(plan.aggregates)))
        self._marks = np.zeros(1, WATERMARK)
        self._slots = 0
        self._take(*self._empty(0))

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` series in all; never takes room away. Amortised O(1) for each new series."""
        self._slots = max(self._slots, slots)
        held = len(self._due)
        if slots > held:
            panes, moments, due = self._empty(max(slots, 2 * held))
            panes[:held], moments[:held], due[:held] = self._panes, self._moments, self._due
            self._take(panes, moments, due)

    def restart(self, slots: Int64Column) -> None:
        """Let series that take the place of others begin without a record; those before must have none open."""
        if len(slots):
            self._panes[slots] = (NO_PANE, 0)
            self._moments[slots] = 0.0
            self._due[slots] = NEVER
            self._block_due[:] = self._due.reshape(-1, BLOCK).min(axis=1)

    def absorb(
        self,
        offset: Int64Column,
        slot: Int64Column,
        time_ns: Int64Column,
        values: Float64Matrix,
        refusal: ByteColumn,
    ) -> Absorbed:
        """Take in ``n`` consecutive records of the stream.

        Parameters
        ----------
        offset
            ``(n,)`` position in the stream.
        slot
            ``(n,)`` series, below the number given to `grow`; any number will do in refused rows.
        time_ns
            ``(n,)`` event time.
        values
            ``(n, d)`` finite values, row by row in memory: another layout compiles the kernel anew.
        refusal
            ``(n,)`` not 0 where the record was refused before; it is then not looked at, except that one refused by
            SERIES_LIMIT tells the time.

        Raises
        ------
        IndexError
            When a slot is beyond the room made.
        """
        highest = int(slot.max(initial=-1, where=refusal == 0))
        if highest >= self._slots:
            raise IndexError(f"slot must be below {self._slots}, was {highest}: call grow first")
        reason = np.empty(len(slot), np.uint8)
        flow = (self._marks, self._params, self._aggregates, self._progress)
        state = (self._panes, self._moments, self._due, self._block_due)
        columns = (offset, slot, time_ns, values, refusal, reason)
        self._closed, self._measures = self._kernel(*flow, *state, *columns, self._closed, self._measures)
        length = int(self._progress["closed"][0])
        return Absorbed(reason, _closed_windows(self._closed[:length], self._measures[:length]))

    def snapshot(self, slots: slice | Int64Column | None = None) -> StateImage:
        """Return a copy of the state after the last record: O(series), equal for equal records.

        Parameters
        ----------
        slots
            The series to keep, in the order given; by default all.
        """
        chosen = slice(0, self._slots) if slots is None else slots
        sections = {
            "watermark": self._marks,
            "panes": self._panes[chosen],
            "moments": self._moments[chosen],
            "due": self._due[chosen],
        }
        return StateImage(self._header(), {name: array.copy() for name, array in sections.items()})

    def restore(self, image: StateImage) -> None:
        """Take over a state.

        Raises
        ------
        StateError
            When it was written with other windows or another number of fields, or is incomplete.
        """
        header = self._header()
        for name in header:
            if image.header.get(name) != header[name]:
                raise StateError(
                    f"saved windows must have {name} {header[name]}, was {image.header.get(name)}: "
                    "go on with the flow that wrote them, or start anew"
                )
        marks = restored_marks(image)
        slots = len(image.sections.get("due", ()))
        panes, moments, due = self._empty(slots)
        for name, array in (("panes", panes), ("moments", moments), ("due", due)):
            _fill(array[:slots], image, name)
        self._marks, self._slots = marks, slots
        self._take(panes, moments, due)

    def _header(self) -> dict[str, object]:
        plan = asdict(self.plan) | {"aggregates": list(self.plan.aggregates)}
        return {"state": "windows", "fields": self._fields, **plan}

    def _empty(self, slots: int) -> tuple[NDArray[Any], NDArray[Any], Int64Column]:
        # Whole blocks, so that the kernel needs no care at the end.
        room = -(-slots // BLOCK) * BLOCK
        panes = np.zeros((room, self.plan.panes), PANE)
        panes["number"] = NO_PANE
        moments = np.zeros((room, self.plan.panes, self._fields), MOMENTS)
        return panes, moments, np.full(room, NEVER, np.int64)

    def _take(self, panes: NDArray[Any], moments: NDArray[Any], due: Int64Column) -> None:
        self._panes, self._moments, self._due = panes, moments, due
        self._block_due = due.reshape(-1, BLOCK).min(axis=1, initial=NEVER)


def _closed_windows(closed: NDArray[Any], measures: Float64Matrix) -> ClosedWindows:
    # Copies, for the next batch writes into the same buffer.
    column = {name: closed[name].copy() for name in CLOSED.names or ()}
    return ClosedWindows(
        slot=column["slot"],
        start_ns=column["start_ns"],
        end_ns=column["end_ns"],
        count=column["count"],
        values=measures.copy(),
        refusal=column["refusal"],
        closed_by_offset=column["offset"],
    )


def _fill(array: NDArray[Any], image: StateImage, name: str) -> None:
    saved = image.sections.get(name)
    if saved is None or saved.dtype != array.dtype or saved.shape != array.shape:
        was = "missing" if saved is None else f"{saved.dtype} {saved.shape}"
        raise StateError(f"section {name} must be {array.dtype} {array.shape}, was {was}")
    array[...] = saved
