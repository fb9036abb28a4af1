"""Page-Hinkley test: values against the mean of all since the last change."""

from __future__ import annotations

from dataclasses import dataclass

from pynomaly.domain.detectors.cusum import CusumOptions, cusum_layout, expect, learn, score
from pynomaly.domain.detectors.seam import Detector, Layout
from pynomaly.domain.option import Options, option

_NEVER_HALF = 1e9  # records; the mean is a plain one


@dataclass(frozen=True)
class PageHinkleyOptions(Options):
    """Page-Hinkley test on both sides: rise of the summed deviations above their minimum so far.

    Catches small shifts and slow drifts, of tenths of a standard deviation, that go on for hundreds of records. Fails
    where the ordinary level wanders or has a season longer than some records, and is slower than `cusum` on shifts
    that are not small. Cost O(1), 40 bytes a series.

    With U the sum of z - drift over all records since the last change, the score is U - min U, or the same downwards
    (Page, Biometrika 1954, "Continuous inspection schemes", section 4; Hinkley, Biometrika 1971, "Inference about the
    change-point from cumulative sum tests", section 2), carried as max(0, sum + z - drift), which is equal and does
    not grow. Unlike that of `cusum` the mean is that of all records since the last change. Deviations: values are
    standardised by their mean and variance so far, each cut at ``clip`` standard deviations; after a score beyond
    ``limit`` the sums start again, and the mean is learned as if only ``warm_up`` records came before.
    """

    drift: float = option(0.1, "standard deviations off the mean that count as none", low=0.0, high=10.0)
    limit: float = option(50.0, "score that ends in a restart", low=1.0, high=1e6)
    clip: float = option(4.0, "standard deviations up to which a record counts", low=1.0, high=100.0)
    warm_up: int = option(50, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: PageHinkleyOptions, fields: int) -> Layout:
    same = CusumOptions(options.drift, options.limit, _NEVER_HALF, options.clip, options.warm_up)
    return cusum_layout(same, fields)


PAGE_HINKLEY = Detector("page_hinkley", PageHinkleyOptions, _layout, score, learn, expect)
