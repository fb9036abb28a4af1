"""What the parts for single values reach on the Numenta Anomaly Benchmark, with one built-in threshold."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.application.quality.nab import PROFILES, tally, total
from pynomaly.evaluation.bench import Bench
from pynomaly.evaluation.contender import contender_of
from pynomaly_connectors.corpora import open_corpus

_NAB = Path(__file__).parents[2] / "../shared/data/nab"
_PARTS = "running_range seasonal_slot relative_entropy exceedance_rate left_matrix_profile:horizon=2000"
#: What a flow of these parts is meant to reach at least.
_NEEDED = {"standard": 76.9, "low_false_positives": 69.3, "low_false_negatives": 81.4}


@pytest.mark.slow
@pytest.mark.skipif(not _NAB.exists(), reason="needs the Numenta Anomaly Benchmark in ../shared/data/nab")
def test_the_parts_keep_their_score() -> None:
    """All 58 files from a cold start; a change that costs detection is seen here."""
    corpus = open_corpus("nab", _NAB)
    bench = Bench(contender_of(_PARTS, (("watch", 2.3),)), ("value",), has_clock=True)
    files = [corpus.read(name) for name in corpus.series()]
    together = total(tally(bench.judge(file).level > 0, file.windows) for file in files)
    assert (len(files), sum(map(len, files)), together.windows) == (58, 365_558, 116)
    assert {name: together.score(profile) >= _NEEDED[name] for name, profile in PROFILES.items()} == dict.fromkeys(
        PROFILES, True
    )
