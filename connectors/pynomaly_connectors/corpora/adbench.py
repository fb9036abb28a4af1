"""Tables of ADBench: rows that are labelled one by one.

Han, Hu, Huang, Jiang and Zhao, "ADBench: Anomaly Detection Benchmark" (NeurIPS 2022). Every row is scored before it is
learned, after 2,048 rows that only teach. Rows of `34_smtp` stand in the order of time; the others are sorted by label
where they are published, so they are shuffled, each table the same way every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pynomaly.application.quality.corpus import Records
from pynomaly.application.quality.segment import runs
from pynomaly.application.quality.trial import LabelledSeries
from pynomaly_connectors.corpora.content import arrays, corpus_files

_IN_ORDER_OF_TIME: Final = frozenset({"34_smtp"})
_SEED: Final = 0
_RANKED_FROM: Final = 2_048


@dataclass(frozen=True, slots=True)
class AdbenchCorpus:
    """A folder of ``<number>_<name>.npz`` with the arrays ``X`` and ``y``."""

    folder: Path
    name: str = "adbench"
    records: Records = "table"

    def series(self) -> tuple[str, ...]:
        """Name the tables."""
        return tuple(path.stem for path in corpus_files(self.folder, "*.npz"))

    def read(self, name: str) -> LabelledSeries:
        """Read a table."""
        values, labels = arrays(self.folder / f"{name}.npz", "X", "y")
        rows = np.arange(len(values))
        if name not in _IN_ORDER_OF_TIME:
            np.random.default_rng(_SEED).shuffle(rows)
        fields = tuple(f"x{number}" for number in range(values.shape[1]))
        windows = tuple(runs(labels.ravel()[rows] > 0))
        return LabelledSeries(name, name, fields, None, values[rows].astype(np.float64), windows, _RANKED_FROM)
