"""A flow, resolved: what an engine is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from pynomaly.domain.plan import ScoringPlan
from pynomaly.domain.recent_ids import MarkRepeats, mark_repeats
from pynomaly.domain.rejection_limit import RejectionLimits
from pynomaly.domain.scoring import ProcessKernel
from pynomaly.domain.series import Admission
from pynomaly.domain.series.table import FindSlots, Rebuild, find_slots, rebuild
from pynomaly.domain.source_marks import MarkResent, mark_resent
from pynomaly.domain.windows import WindowPlan
from pynomaly.domain.windows.absorb import absorb
from pynomaly.domain.windows.stream import AbsorbKernel


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
    dedupe_horizon
        How many of the last records' ids are remembered, to tell records that were sent twice; None looks for none.
    rejections
        How many records of a stream may be rejected before it stops; None: any number. In no fingerprint.
    has_origins
        Whether the streams hold copies of records, each of which says which record of the input it is.
    """

    name: str
    fields: tuple[str, ...]
    scoring: ScoringPlan
    window: WindowPlan | None = None
    admission: Admission = field(default_factory=Admission)
    fingerprint: str = ""
    dedupe_horizon: int | None = None
    rejections: RejectionLimits | None = None
    has_origins: bool = False


@dataclass(frozen=True, slots=True)
class Kernels:
    """The machine code of one flow."""

    process: ProcessKernel
    find_slots: FindSlots = find_slots
    absorb: AbsorbKernel = absorb
    mark_repeats: MarkRepeats = mark_repeats
    rebuild: Rebuild = rebuild
    mark_resent: MarkResent = mark_resent
