"""The Numenta Anomaly Benchmark: 58 files of one value, with windows around labelled moments.

Lavin and Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms - The Numenta Anomaly Benchmark" (ICMLA 2015).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pynomaly.application.quality.corpus import Records
from pynomaly.application.quality.labels import Labels, parse_labels
from pynomaly.application.quality.trial import LabelledSeries
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.corpora.content import column, corpus_files, text_of


@dataclass(frozen=True, slots=True)
class NabCorpus:
    """A folder with ``data/<group>/*.csv`` and ``labels/combined_windows.json``."""

    folder: Path
    name: str = "nab"
    records: Records = "series"

    def series(self) -> tuple[str, ...]:
        """Name the files by group and file."""
        data = self.folder / "data"
        return tuple(path.relative_to(data).as_posix() for path in corpus_files(data, "*/*.csv"))

    def read(self, name: str) -> LabelledSeries:
        """Read a file; its times are in UTC."""
        path = self.folder / "data" / name
        header, *rows = list(csv.reader(text_of(path).splitlines())) or [[]]
        stamp, value = column(path, header, "timestamp"), column(path, header, "value")
        try:
            times = np.array([row[stamp] for row in rows], "datetime64[ns]").astype(np.int64)
            values = np.array([[float(row[value])] for row in rows]).reshape(-1, 1)
        except (ValueError, IndexError) as error:
            raise ConfigError(Problem(str(path), f"must hold times and numbers: {error}")) from error
        windows = _labels(self.folder).windows(name, times)
        return LabelledSeries(name, name.partition("/")[0], ("value",), times, values, windows)


@cache
def _labels(folder: Path) -> Labels:
    return parse_labels(text_of(folder / "labels" / "combined_windows.json"), "json")
