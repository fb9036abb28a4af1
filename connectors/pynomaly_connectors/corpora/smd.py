"""The Server Machine Dataset: one machine a file, 38 metrics a minute.

Su, Zhao, Niu, Liu, Sun and Pei, "Robust Anomaly Detection for Multivariate Time Series through Stochastic Recurrent
Neural Network" (KDD 2019). The part for training is left out: detectors start cold on the part that is labelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pynomaly.application.quality.corpus import Records
from pynomaly.application.quality.segment import runs
from pynomaly.application.quality.trial import LabelledSeries
from pynomaly_connectors.corpora.content import arrays, corpus_files


@dataclass(frozen=True, slots=True)
class SmdCorpus:
    """A folder of ``<machine>.npz`` with the arrays ``test`` and ``test_label``."""

    folder: Path
    name: str = "smd"
    records: Records = "series"

    def series(self) -> tuple[str, ...]:
        """Name the machines."""
        return tuple(path.stem for path in corpus_files(self.folder, "*.npz"))

    def read(self, name: str) -> LabelledSeries:
        """Read a machine."""
        values, labels = arrays(self.folder / f"{name}.npz", "test", "test_label")
        fields = tuple(f"metric_{number}" for number in range(values.shape[1]))
        windows = tuple(runs(labels.ravel() > 0))
        return LabelledSeries(name, name.rpartition("-")[0], fields, None, values.astype(np.float64), windows)
