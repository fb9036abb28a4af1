"""One pass over a file: the outcomes to a file, the counts and the strongest alerts kept."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.kernel_loading import LOADING_KERNELS, load_kernels
from pynomaly.application.observe import processed
from pynomaly.application.replay import replay
from pynomaly.application.spec.adhoc import Columns
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.tally import Tally, Totals
from pynomaly.bootstrap import services_of
from pynomaly.domain.event import AnomalyDetected
from pynomaly.presentation.cli.patience import say_if_long
from pynomaly.presentation.cli.rejection import Rejections
from pynomaly.presentation.cli.writing import check_apart, input_files
from pynomaly_connectors.files.outcome_file import OutcomeFile
from pynomaly_connectors.files.outcome_table import OutcomeTable

if TYPE_CHECKING:
    from pynomaly.presentation.plot import PlotRecorder


@dataclass(slots=True)
class Detection:
    """What is kept of a pass.

    Parameters
    ----------
    spec
        The flow over the file.
    columns
        Which of its columns are what.
    most_alerts
        How many alerts are kept, the strongest ones.
    alerts
        The strongest ones, in the order of the file.
    seconds
        How long judging took, without compiling [s].
    """

    spec: FlowSpec
    columns: Columns
    most_alerts: int
    alerts: list[AnomalyDetected] = field(default_factory=list[AnomalyDetected])
    seconds: float = 0.0
    _tally: Tally = field(default_factory=Tally)
    _rejections: Rejections = field(default_factory=Rejections)

    @property
    def table(self) -> OutcomeTable:
        """The columns of the outcomes."""
        parts = tuple(part.name for part in self.spec.parts)
        return OutcomeTable(self.spec.record.values, parts, has_clock=self.columns.has_clock)

    @property
    def totals(self) -> Totals:
        """The counts."""
        return self._tally.totals()

    @property
    def hint(self) -> str | None:
        """What to look at where no record could be used."""
        return self._rejections.hint(self.totals)

    def take(self, result: DetectionResult) -> None:
        """Count a batch and keep its strongest alerts."""
        self._tally.batch_processed(processed(result, 0.0))
        self._rejections.take(result.batch)
        found = (event for event in result.events if isinstance(event, AnomalyDetected))
        strongest = nlargest(self.most_alerts, [*self.alerts, *found], key=_strength)
        self.alerts = sorted(strongest, key=_position)


def run_detection(detection: Detection, output: Path | None, plot: Path | None) -> None:
    """Judge every record of the file.

    Raises
    ------
    PynomalyError
        When the file cannot be read, or a result cannot be written or would overwrite the file.
    """
    services = services_of(detection.spec)
    check_apart({"--output": output, "--plot": plot}, input_files(services))
    with say_if_long(LOADING_KERNELS):
        load_kernels(services.engine_for, len(services.plan.fields))
    recorder = None if plot is None else _recorder(detection.spec)
    with ExitStack() as files:
        names = detection.table.names
        outcomes = None if output is None else files.enter_context(OutcomeFile(output, names))

        def take(result: DetectionResult) -> None:
            detection.take(result)
            if outcomes is not None:
                outcomes.write(detection.table.rows(result))
            if recorder is not None:
                recorder.take(result)

        started_s = perf_counter()
        replay(services.source, services.engine_for, take)
        detection.seconds = perf_counter() - started_s
    if recorder is not None and plot is not None:
        _draw(detection, recorder, plot)


def _recorder(spec: FlowSpec) -> PlotRecorder:
    from pynomaly.presentation.plot import PlotRecorder

    return PlotRecorder.of(spec)


def _draw(detection: Detection, recorder: PlotRecorder, path: Path) -> None:
    from pynomaly.presentation.plot import draw

    draw(recorder, detection.spec.levels, title=_title(detection), path=path)


def _title(detection: Detection) -> str:
    source = detection.spec.source
    return Path(source.path).name if source.kind == "files" else detection.spec.flow


def _strength(alert: AnomalyDetected) -> tuple[int, float, int]:
    return alert.level, alert.evidence, -alert.offset


def _position(alert: AnomalyDetected) -> int:
    return alert.offset
