"""The engine: one stream's records in, outcomes and events out. It knows no runner, no broker, no clock.

The same engine replays history and runs live. Nothing in it depends on where batches are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter

import numpy as np

from pynomaly.domain.adapted import AcceptedRows, AdaptedPart, PartContext
from pynomaly.domain.error import StateError
from pynomaly.domain.event import Event
from pynomaly.domain.outcome import Outcomes
from pynomaly.domain.plan import AdaptedSource, ScoringPlan
from pynomaly.domain.record import ByteColumn, Float64Matrix, Int64Column, RecordBatch, Stream
from pynomaly.domain.report import Reporter
from pynomaly.domain.scoring import ProcessKernel, Scoring
from pynomaly.domain.series import Admission, Admitted, Eviction, SeriesIndex, SeriesKeys
from pynomaly.domain.series.table import FindSlots, Rebuild, find_slots, rebuild
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.domain.windows import ClosedWindows, WindowPlan, Windows
from pynomaly.domain.windows.absorb import absorb
from pynomaly.domain.windows.stream import AbsorbKernel

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """A flow, resolved: everything that decides about scores, outcomes and ids.

    Parameters
    ----------
    name
        Name of the flow; part of every id.
    fields
        Value columns of the records.
    scoring
        What is scored: the records, or the aggregates of their windows.
    window
        How records become windows; None scores the records themselves.
    admission
        How many series one stream may hold, and for how long.
    fingerprint
        Hash of all of this as the operator wrote it; state of another fingerprint is refused.
    """

    name: str
    fields: tuple[str, ...]
    scoring: ScoringPlan
    window: WindowPlan | None = None
    admission: Admission = field(default_factory=Admission)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The machine code of one flow."""

    process: ProcessKernel
    find_slots: FindSlots = find_slots
    absorb: AbsorbKernel = absorb
    rebuild: Rebuild = rebuild


@dataclass(frozen=True, slots=True)
class ScoredWindows:
    """Windows that closed, the keys of their series (made when asked for), and what became of them."""

    closed: ClosedWindows
    series: Sequence[str]
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """What became of one batch.

    Parameters
    ----------
    batch
        The records.
    slot
        ``(n,)`` series number of each accepted record; one number means one series within a batch only.
    outcomes
        One for each record.
    events
        What happened, by the offset of the record that caused it. Of one record's: its rejection, the series evicted
        until then, its lateness, the models that took over, the anomalies; of several models their parts in the order
        of the flow, of several windows those that end first, then those of the series that began first.
    windows
        Windows that the batch closed; None in a flow without windows.
    evicted
        Series that the batch made the stream forget.
    """

    batch: RecordBatch
    slot: Int64Column
    outcomes: Outcomes
    events: tuple[Event, ...]
    windows: ScoredWindows | None = None
    evicted: Mapping[Eviction, int] = field(default_factory=dict[Eviction, int])


@dataclass(slots=True)
class _Progress:
    last_offset: int = -1
    records: int = 0


class Engine:
    """Processes the batches of one stream, in order.

    Parameters
    ----------
    plan
        The flow.
    stream
        The input partition whose records come.
    kernels
        Compiled code for ``plan``.
    """

    def __init__(self, plan: FlowPlan, stream: Stream, kernels: Kernels) -> None:
        self._plan = plan
        self._stream = stream
        self._series = SeriesIndex(plan.admission, kernels.find_slots, kernels.rebuild)
        self._scoring = Scoring(plan.scoring, kernels.process)
        self._windows = None if plan.window is None else Windows(plan.window, len(plan.fields), kernel=kernels.absorb)
        self._adapted = _adapted_parts(plan, stream)
        self._reporter = Reporter(plan.name, stream, plan.fields, plan.scoring, self._series.key)
        self._progress = _Progress()

    @property
    def series_count(self) -> int:
        """Series known now."""
        return len(self._series)

    @property
    def records(self) -> int:
        """Records processed since the first start, over all restarts."""
        return self._progress.records

    def process(self, batch: RecordBatch) -> DetectionResult:
        """Judge and learn a batch.

        Raises
        ------
        StateError
            When the batch does not come after the last one: records would count twice.
        """
        self._advance(batch)
        refusal = batch.refusal.copy()
        admitted = self._series.admit(batch, refusal)
        self._scoring.restart(admitted.reused)
        if self._windows is None:
            result = self._process_records(batch, admitted, refusal)
        else:
            self._windows.grow(self._series.slots)
            self._windows.restart(admitted.reused)
            result = self._process_windows(self._windows, batch, admitted, refusal)
        for part in self._adapted.values():
            part.forget(self._series.born(admitted.gone))
        return result

    def snapshot(self) -> bytes:
        """Return the whole state after the last batch, verifiable and free of pickle."""
        live = self._series.live
        images: dict[str, StateImage] = {
            "series": self._series.snapshot(),
            "scoring": self._scoring.snapshot(live),
        }
        if self._windows is not None:
            images["windows"] = self._windows.snapshot(live)
        images.update({f"part {name}": part.snapshot() for name, part in self._adapted.items()})
        header = {
            "version": _STATE_VERSION,
            "flow": self._plan.name,
            "fingerprint": self._plan.fingerprint,
            "stream": [self._stream.name, self._stream.partition, self._stream.incarnation],
            "last_offset": self._progress.last_offset,
            "records": self._progress.records,
        }
        sections = {name: np.frombuffer(pack(image), np.uint8) for name, image in images.items()}
        return pack(StateImage(header, sections))

    def restore(self, state: bytes) -> None:
        """Take over a snapshot.

        Raises
        ------
        StateError
            When it is damaged, or of another flow, stream, specification or version.
        """
        image = unpack(state)
        self._check_origin(image.header)
        self._check_sections(set(image.sections))
        images = {name: unpack(section.tobytes()) for name, section in image.sections.items()}
        self._series.restore(images["series"])
        self._scoring.restore(images["scoring"])
        if self._windows is not None:
            self._windows.restore(images["windows"])
        for name, part in self._adapted.items():
            part.restore(images[f"part {name}"])
        self._progress = _Progress(int(str(image.header["last_offset"])), int(str(image.header["records"])))

    def close(self) -> None:
        """Release what adapted detectors hold."""
        for part in self._adapted.values():
            part.close()

    def _advance(self, batch: RecordBatch) -> None:
        if len(batch) == 0:
            return
        first = int(batch.offset[0])
        if first <= self._progress.last_offset:
            raise StateError(
                f"{self._stream}: next offset must be above {self._progress.last_offset}, was {first}: "
                "the input and the saved state do not belong together"
            )
        self._progress = _Progress(int(batch.offset[-1]), self._progress.records + len(batch))

    def _process_records(self, batch: RecordBatch, admitted: Admitted, refusal: ByteColumn) -> DetectionResult:
        slot = admitted.slot
        outcomes, fits = self._score(batch.offset, batch.time_ns, slot, refusal, batch.values)
        rejected = self._reporter.rejected(batch, outcomes)
        evicted = self._reporter.evicted(batch, admitted.reports)
        anomalies = self._reporter.anomalous_records(batch, slot, outcomes)
        events = _in_order(rejected, evicted, fits, anomalies)
        return DetectionResult(batch, slot, outcomes, events, evicted=admitted.evicted)

    def _process_windows(
        self, windows: Windows, batch: RecordBatch, admitted: Admitted, refusal: ByteColumn
    ) -> DetectionResult:
        slot = admitted.slot
        absorbed = windows.absorb(batch.offset, slot, batch.time_ns, batch.values, refusal)
        closed = absorbed.closed
        if not self._series.is_in_order:
            closed = closed.in_birth_order(self._series.born(closed.slot))
        scored, fits = self._score(closed.closed_by_offset, closed.end_ns, closed.slot, closed.refusal, closed.values)
        outcomes = Outcomes.unscored(absorbed.reason)
        rejected = self._reporter.rejected(batch, outcomes)
        evicted = self._reporter.evicted(batch, admitted.reports)
        late = self._reporter.late(batch, slot, outcomes)
        anomalies = self._reporter.anomalous_windows(closed, scored)
        series = SeriesKeys(closed.slot, self._series.key)
        events = _in_order(rejected, evicted, late, fits, anomalies)
        return DetectionResult(batch, slot, outcomes, events, ScoredWindows(closed, series, scored), admitted.evicted)

    def _score(
        self, offset: Int64Column, time_ns: Int64Column, slot: Int64Column, refusal: ByteColumn, values: Float64Matrix
    ) -> tuple[Outcomes, list[Event]]:
        """Score rows in order: first with the adapted parts, then all parts together in the fused kernel."""
        external = np.full((len(slot), len(self._adapted)), np.nan)
        fits: list[Event] = []
        if self._adapted:
            accepted = refusal == 0
            born = self._series.born(slot[accepted])
            keys = SeriesKeys(slot[accepted], self._series.key)
            where = offset[accepted], time_ns[accepted], born
            for column, (name, part) in enumerate(self._adapted.items()):
                fields = values[accepted][:, list(self._adapted_fields[name])]
                rows = AcceptedRows(*where, fields, keys)
                external[accepted, column], happened = part.process(rows)
                fits.extend(happened)
        outcomes = self._scoring.process(slot, refusal, time_ns, values, external, self._series.slots)
        return outcomes, fits

    @property
    def _adapted_fields(self) -> dict[str, tuple[int, ...]]:
        return {part.name: part.fields for part in self._plan.scoring.parts}

    def _check_sections(self, saved: set[str]) -> None:
        needed = {"series", "scoring", *(f"part {name}" for name in self._adapted)}
        if self._windows is not None:
            needed.add("windows")
        if saved != needed:
            raise StateError(
                f"saved state of {self._stream}: sections must be {sorted(needed)}, were {sorted(saved)}; "
                "it was saved by another version"
            )

    def _check_origin(self, header: Mapping[str, object]) -> None:
        expected = {
            "version": _STATE_VERSION,
            "flow": self._plan.name,
            "fingerprint": self._plan.fingerprint,
            "stream": [self._stream.name, self._stream.partition, self._stream.incarnation],
        }
        for name, value in expected.items():
            if header.get(name) != value:
                raise StateError(
                    f"saved state of {self._stream}: {name} must be {value!r}, was {header.get(name)!r}: "
                    "it was saved by another flow or of another stream"
                )


def _in_order(*kinds: Iterable[Event]) -> tuple[Event, ...]:
    """Order events by offset, those of one offset by kind; so the order does not depend on where batches are cut."""
    return tuple(sorted(chain(*kinds), key=attrgetter("offset")))


def _adapted_parts(plan: FlowPlan, stream: Stream) -> dict[str, AdaptedPart]:
    return {
        part.name: part.source.factory(PartContext(plan.name, stream, part.name))
        for part in plan.scoring.parts
        if isinstance(part.source, AdaptedSource)
    }


EngineFactory = Callable[[Stream], Engine]
