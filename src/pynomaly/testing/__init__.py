"""Checks for who writes a detector: the ones that pynomaly's own detectors are tested by.

>>> from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE
>>> claims = Claims(ends={"half_life": (1.0, 1e9), "warm_up": (2, 300)})
>>> [str(promise) for promise in detector_contract(EW_ZSCORE, claims)][:2]
['ew_zscore()-score_does_not_write', 'ew_zscore()-scores_ignore_the_future']

With pytest:

    @pytest.mark.parametrize("promise", detector_contract(DETECTOR, CLAIMS), ids=str)
    def test_contract(promise):
        promise.check()
"""

from __future__ import annotations

from pynomaly.testing.detector_contract import Promise, detector_contract
from pynomaly.testing.detector_trial import Claims, warm_after

__all__ = ["Claims", "Promise", "detector_contract", "warm_after"]
