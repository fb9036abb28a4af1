"""Public labelled corpora, read from folders laid out as their authors publish them.

=========  ==========================================================  ==========================================
corpus     folder                                                      what of it is used
=========  ==========================================================  ==========================================
nab        Numenta Anomaly Benchmark: ``data/<group>/*.csv`` and       every file as one series with a clock
           ``labels/combined_windows.json``
smd        Server Machine Dataset as ``*.npz`` with ``test`` and       the test part from a cold start; without a
           ``test_label``                                              clock
skab       Skoltech Anomaly Benchmark: ``<group>/*.csv``, semicolons   runs with a column ``anomaly``; ranked from
                                                                       row 300 on
adbench    ADBench ``*.npz`` with ``X`` and ``y``                      rows in a fixed order, score before learn;
                                                                       ranked from row 2,048 on
=========  ==========================================================  ==========================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from pynomaly.application.quality.corpus import Corpus
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.corpora.adbench import AdbenchCorpus
from pynomaly_connectors.corpora.nab import NabCorpus
from pynomaly_connectors.corpora.skab import SkabCorpus
from pynomaly_connectors.corpora.smd import SmdCorpus


class _Open(Protocol):
    def __call__(self, folder: Path) -> Corpus: ...


CORPORA: Final[dict[str, _Open]] = {
    "nab": NabCorpus,
    "smd": SmdCorpus,
    "skab": SkabCorpus,
    "adbench": AdbenchCorpus,
}

__all__ = ["CORPORA", "open_corpus"]


def open_corpus(kind: str, folder: Path) -> Corpus:
    """Return a corpus in a folder; nothing is read yet.

    Raises
    ------
    ConfigError
        When there is no corpus of that name.
    """
    if kind not in CORPORA:
        raise ConfigError(Problem("--corpus", f"must be one of {', '.join(CORPORA)}, was {kind!r}"))
    return CORPORA[kind](folder)
