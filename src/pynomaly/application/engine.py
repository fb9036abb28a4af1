"""The engine: one stream's records in, outcomes and events out. It knows no runner, no broker, no clock.

The same engine replays history and runs live. Nothing in it depends on where batches are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

import numpy as np

from pynomaly.application.detection_result import DetectionResult, ScoredWindows
from pynomaly.application.flow_plan import FlowPlan, Kernels
from pynomaly.domain.adapted import AcceptedRows, AdaptedPart, PartContext
from pynomaly.domain.error import RejectionError, StateError
from pynomaly.domain.event import Event
from pynomaly.domain.origin import Origins
from pynomaly.domain.outcome import Outcomes, Reason
from pynomaly.domain.plan import AdaptedSource
from pynomaly.domain.recent_ids import RecentIds
from pynomaly.domain.record import ByteColumn, Float64Matrix, Int64Column, KeyColumn, RecordBatch, Stream
from pynomaly.domain.rejection_limit import Excess, RejectionBreaker
from pynomaly.domain.report import Reporter
from pynomaly.domain.scoring import Scoring
from pynomaly.domain.series import Admitted, SeriesIndex, SeriesKeys
from pynomaly.domain.source_marks import SourceMarks
from pynomaly.domain.state import StateImage, join, pack, split, unpack
from pynomaly.domain.trace import ScoredRows
from pynomaly.domain.windows import Windows

_STATE_VERSION = 2
_REJECTIONS = "rejections"

#: Is shown the rows of a batch before they are scored, and what will score them; must change neither.
Watch = Callable[[ScoredRows, Scoring], None]


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
        horizon = plan.dedupe_horizon
        self._recent = None if horizon is None else RecentIds(horizon, kernels.mark_repeats)
        self._marks = SourceMarks(kernels.mark_resent) if plan.has_origins else None
        self._scoring = Scoring(plan.scoring, kernels.process)
        self._windows = None if plan.window is None else Windows(plan.window, len(plan.fields), kernel=kernels.absorb)
        self._adapted = _adapted_parts(plan, stream)
        self._reporter = Reporter(plan.name, stream, plan.fields, plan.scoring, self._series.key)
        self._breaker = None if plan.rejections is None else RejectionBreaker(plan.rejections)
        self._stopped: RejectionError | None = None
        self._progress = _Progress()
        self._watch: Watch | None = None

    @property
    def series_count(self) -> int:
        """Series known now."""
        return len(self._series)

    @property
    def records(self) -> int:
        """Records processed since the first start, over all restarts."""
        return self._progress.records

    def watch(self, watch: Watch) -> None:
        """Show ``watch`` all rows from now on before they are scored, windows where the flow has them."""
        self._watch = watch

    def process(self, batch: RecordBatch) -> DetectionResult:
        """Judge and learn a batch.

        Raises
        ------
        StateError
            When the batch does not come after the last one: records would count twice.
        RejectionError
            When an earlier batch was `stopped`.
        """
        if self._stopped is not None:
            raise self._stopped
        self._advance(batch)
        refusal = self._refused(batch)
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

    def _refused(self, batch: RecordBatch) -> ByteColumn:
        """Return why records cannot be used, those included that came before."""
        refusal = batch.refusal.copy()
        if self._marks is not None:
            self._marks.mark(_origins(batch), refusal)
        resent = refusal == Reason.REPEATED_ORIGIN
        if self._recent is not None:
            self._recent.mark(_ids(batch), refusal)
            refusal[resent] = Reason.REPEATED_ORIGIN  # it has the id of the record that it repeats, of course
        return refusal

    def image(self) -> StateImage:
        """Return the whole state after the last batch, as views of it: read it before the next batch.

        Raises
        ------
        RejectionError
            When that batch was `stopped`: the state has seen records behind it.
        """
        if self._stopped is not None:
            raise self._stopped
        live = self._series.live
        images: dict[str, StateImage] = {
            "series": self._series.snapshot(),
            "scoring": self._scoring.snapshot(live),
        }
        if self._windows is not None:
            images["windows"] = self._windows.snapshot(live)
        if self._recent is not None:
            images["ids"] = self._recent.snapshot()
        if self._marks is not None:
            images["marks"] = self._marks.snapshot()
        if self._breaker is not None:
            images[_REJECTIONS] = self._breaker.snapshot()
        images.update({f"part {name}": part.snapshot() for name, part in self._adapted.items()})
        header = {
            "version": _STATE_VERSION,
            "flow": self._plan.name,
            "fingerprint": self._plan.fingerprint,
            "stream": [self._stream.name, self._stream.partition, self._stream.incarnation],
            "last_offset": self._progress.last_offset,
            "records": self._progress.records,
        }
        return join(header, images)

    def take_over(self, image: StateImage) -> None:
        """Go on from what `image` returned.

        Raises
        ------
        StateError
            When it is of another flow, stream, specification or version.
        """
        self._check_origin(image.header)
        images = split(image)
        self._check_parts(set(images))
        self._series.restore(images["series"])
        self._scoring.restore(images["scoring"])
        if self._windows is not None:
            self._windows.restore(images["windows"])
        if self._recent is not None:
            self._recent.restore(images["ids"])
        if self._marks is not None:
            self._marks.restore(images["marks"])
        if self._breaker is not None and _REJECTIONS in images:
            self._breaker.restore(images[_REJECTIONS])
        for name, part in self._adapted.items():
            part.restore(images[f"part {name}"])
        self._progress = _Progress(int(str(image.header["last_offset"])), int(str(image.header["records"])))

    def snapshot(self) -> bytes:
        """Return the whole state after the last batch, verifiable and free of pickle."""
        return pack(self.image())

    def restore(self, state: bytes) -> None:
        """Take over a snapshot.

        Raises
        ------
        StateError
            When it is damaged, or of another flow, stream, specification or version.
        """
        self.take_over(unpack(state))

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
                "the input and the saved state do not belong together: restore the input that the state was saved "
                "with, give the flow its own --state folder, or start over with --reset-state"
            )
        self._progress = _Progress(int(batch.offset[-1]), self._progress.records + len(batch))

    def _process_records(self, batch: RecordBatch, admitted: Admitted, refusal: ByteColumn) -> DetectionResult:
        slot = admitted.slot
        outcomes, fits = self._score(batch.offset, batch.time_ns, slot, refusal, batch.values)
        rows = outcomes.rejected
        rejected = self._reporter.rejected(batch, rows, outcomes)
        evicted = self._reporter.evicted(batch, admitted.reports)
        anomalies = self._reporter.anomalous_records(batch, slot, outcomes)
        events = _in_order(rejected, evicted, fits, anomalies)
        return self._within_limits(DetectionResult(batch, slot, outcomes, events, evicted=admitted.evicted), rows)

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
        rows = outcomes.rejected
        rejected = self._reporter.rejected(batch, rows, outcomes)
        evicted = self._reporter.evicted(batch, admitted.reports)
        late = self._reporter.late(batch, slot, outcomes)
        anomalies = self._reporter.anomalous_windows(closed, scored)
        series = ScoredWindows(closed, SeriesKeys(closed.slot, self._series.key), scored)
        events = _in_order(rejected, evicted, late, fits, anomalies)
        return self._within_limits(
            DetectionResult(batch, slot, outcomes, events, series, evicted=admitted.evicted), rows
        )

    def _within_limits(self, result: DetectionResult, rejected: Int64Column) -> DetectionResult:
        """Cut a result in front of the first record that is beyond the limits of rejection, if one is."""
        excess = None if self._breaker is None else self._breaker.count(rejected, len(result.batch))
        if excess is None:
            return result
        self._stopped = _stop(result, excess)
        return result.until(excess.row, self._stopped)

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
        if self._watch is not None:
            keys = SeriesKeys(slot, self._series.key)
            self._watch(ScoredRows(offset, time_ns, slot, refusal, values, external, keys), self._scoring)
        outcomes = self._scoring.process(slot, refusal, time_ns, values, external, self._series.slots)
        return outcomes, fits

    @property
    def _adapted_fields(self) -> dict[str, tuple[int, ...]]:
        return {part.name: part.fields for part in self._plan.scoring.parts}

    def _check_parts(self, saved: set[str]) -> None:
        needed = {"series", "scoring", *(f"part {name}" for name in self._adapted)}
        if self._windows is not None:
            needed.add("windows")
        if self._recent is not None:
            needed.add("ids")
        if self._marks is not None:
            needed.add("marks")
        if saved - {_REJECTIONS} != needed:  # counts of rejected records come and go with their limits
            raise StateError(
                f"saved state of {self._stream}: parts must be {sorted(needed)}, were {sorted(saved)}; "
                "it was saved by another version"
            )

    def _check_origin(self, header: Mapping[str, object]) -> None:
        if header.get("version") != _STATE_VERSION:
            raise StateError(
                f"saved state of {self._stream}: version must be {_STATE_VERSION}, was {header.get('version')!r}: "
                "it was saved by another version of pynomaly"
            )
        expected = {
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


def _ids(batch: RecordBatch) -> KeyColumn:
    if batch.source_id is None:
        raise TypeError("batch must have the ids of its records: the flow looks for repeats")
    return batch.source_id


def _origins(batch: RecordBatch) -> Origins:
    if batch.origins is None:
        raise TypeError("batch must have the origins of its records: the flow orders its input by series")
    return batch.origins


def _stop(result: DetectionResult, excess: Excess) -> RejectionError:
    batch, reason = result.batch, Reason(int(result.outcomes.reason[excess.row]))
    return RejectionError(
        f"{batch.stream} at offset {int(batch.offset[excess.row])}: rejected records must be at most {excess.allowed}, "
        f"was one more, {reason.label}: see the others by `pynomaly dlq list FLOW`; mend the producers or the flow's "
        f"`record`, or raise limits.rejected.{excess.limit} (`limits.rejected: off` lets all pass) and start again"
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
