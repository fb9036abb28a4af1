"""The Skoltech Anomaly Benchmark: runs of a water circuit with eight sensors, one row a second.

Katser and Kozitsin, "Skoltech Anomaly Benchmark (SKAB)" (Kaggle, 2020). A run is some 1,100 rows long and half of it is
anomalous, so the first 300 rows only teach.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pynomaly.application.quality.corpus import Records
from pynomaly.application.quality.segment import runs
from pynomaly.application.quality.trial import LabelledSeries
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.corpora.content import column, corpus_files, text_of

_LABELS: Final = ("anomaly", "changepoint")
_RANKED_FROM: Final = 300


@dataclass(frozen=True, slots=True)
class SkabCorpus:
    """A folder with ``<group>/*.csv``; files without the column ``anomaly`` are no runs."""

    folder: Path
    name: str = "skab"
    records: Records = "series"

    def series(self) -> tuple[str, ...]:
        """Name the runs by group and file."""
        files = corpus_files(self.folder, "*/*.csv")
        return tuple(path.relative_to(self.folder).as_posix() for path in files if _is_run(path))

    def read(self, name: str) -> LabelledSeries:
        """Read a run; its times are in UTC."""
        path = self.folder / name
        header, *rows = list(csv.reader(text_of(path).splitlines(), delimiter=";")) or [[]]
        stamp, label = column(path, header, "datetime"), column(path, header, "anomaly")
        fields = tuple(field for field in header if field not in ("datetime", *_LABELS))
        places = [header.index(field) for field in fields]
        try:
            times = np.array([row[stamp] for row in rows], "datetime64[ns]").astype(np.int64)
            values = np.array([[float(row[place]) for place in places] for row in rows])
            windows = tuple(runs(np.array([float(row[label]) > 0 for row in rows], np.bool_)))
        except (ValueError, IndexError) as error:
            raise ConfigError(Problem(str(path), f"must hold times and numbers: {error}")) from error
        return LabelledSeries(name, name.partition("/")[0], fields, times, values, windows, _RANKED_FROM)


def _is_run(path: Path) -> bool:
    header = text_of(path).partition("\n")[0].strip().split(";")
    return "anomaly" in header
