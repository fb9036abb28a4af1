"""The stages of a flow that run in one process: judging its records, and before that, if it asks for it, copying them.

Both are inputs of one dataflow, with one checkpoint. In a run to the end they come one after the other instead: only
when all copies are there is it known where the end of the copies is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from bytewax.dataflow import Dataflow

from pynomaly.application.ports import RecordSource
from pynomaly.application.repartition import CopySink, Stage
from pynomaly.bootstrap import Services
from pynomaly.domain.seal import Seals
from pynomaly_flows.copying import add_copying
from pynomaly_flows.partition import Surroundings
from pynomaly_flows.recovery_doctor import Examined
from pynomaly_flows.source import Choice, Source
from pynomaly_flows.state_folder import FlowIdentity, StateFolder

#: Stages that run at once.
Phase = Sequence[Stage]

_JUDGING: Final[Phase] = ("detect",)
_COPYING: Final[Phase] = ("repartition",)


def phases_of(services: Services, stage: Stage | None, *, until_end: bool) -> list[Phase]:
    """Return what runs after one another, of a whole flow (None) or of one stage."""
    if services.repartition is None or stage == "detect":
        return [_JUDGING]
    if stage == "repartition":
        return [_COPYING]
    return [_COPYING, _JUDGING] if until_end else [(*_COPYING, *_JUDGING)]


def identity_of(services: Services, stage: Stage | None) -> FlowIdentity:
    """Return whose state a folder must hold; copying alone does not ask how the copies are judged."""
    if stage == "repartition" and services.repartition is not None:
        return FlowIdentity(services.plan.name, services.repartition.fingerprint)
    return FlowIdentity(services.plan.name, services.plan.fingerprint)


@dataclass(frozen=True, slots=True)
class Reading:
    """How the inputs of a process are read.

    Parameters
    ----------
    around
        What all their partitions share: while one of them has something to read, nobody sleeps.
    bounded
        Whether to stop at the end that each partition has at its opening.
    owns
        Which partitions are read here.
    seals
        Of the saved positions, and of the ledger of where the input began.
    """

    around: Surroundings
    bounded: bool
    owns: Choice
    seals: Seals


@dataclass(frozen=True, slots=True)
class Inputs:
    """The open inputs of a phase.

    Parameters
    ----------
    judged
        The records that are judged; None: none are.
    copied
        The records that are copied by series, and where to; None: none are.
    """

    judged: Source | None
    copied: tuple[Source, CopySink] | None

    @property
    def at_end(self) -> bool:
        """Whether all of them have come to the end of a bounded read."""
        return all(source.at_end for source in self.sources)

    @property
    def sources(self) -> list[Source]:
        """All of them."""
        copied = None if self.copied is None else self.copied[0]
        return [source for source in (copied, self.judged) if source is not None]

    def dataflow(self, name: str, judging: Callable[[Source], Dataflow], reading: Reading) -> Dataflow:
        """Wire the phase; ``judging`` wires what becomes of the records that are judged."""
        flow = Dataflow(name) if self.judged is None else judging(self.judged)
        if self.copied is not None:
            add_copying(flow, *self.copied, reading.around.telemetry, reading.seals)
        return flow


@contextmanager
def opened(
    services: Services, phase: Phase, folder: StateFolder, examined: Examined, reading: Reading
) -> Generator[Inputs]:
    """Hold the inputs of a phase for the length of a block.

    Raises
    ------
    PynomalyError
        When one of them, or a known partition of it, cannot be found.
    """
    starts = folder.source_ledger(reading.seals)

    def source(inputs: RecordSource, known: Sequence[str]) -> Source:
        return Source(inputs, reading.around, known, bounded=reading.bounded, owns=reading.owns)

    with ExitStack() as held:
        copied, judged, first = None, None, services.repartition
        if "repartition" in phase and first is not None:
            copied = held.enter_context(source(first.source_for(starts), examined.unkeyed)), first.sink
        if "detect" in phase:
            judged = held.enter_context(source(services.source_for(starts), examined.partitions))
        yield Inputs(judged, copied)
