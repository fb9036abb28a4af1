"""What a record costs the detectors of other libraries; the tables of the documentation are held to these.

Measured with default arguments on records of three fields, on one core of a busy shared machine: trust the ratios.
"""

from __future__ import annotations

from typing import Final

RIVER_COSTS: Final = {
    "GaussianScorer": "5 us",
    "HalfSpaceTrees": "40 us",
    "LODA": "250 us",
    "LocalOutlierFactor": "3 ms",
    "OneClassSVM": "13 us",
    "PredictiveAnomalyDetection": "13 us",
    "StandardAbsoluteDeviation": "3 us",
    "ADWIN": "3 us",
    "KSWIN": "400 us",
    "PageHinkley": "3 us",
}
#: While many records come at once; some cost more when they come one by one.
PYOD_COSTS: Final = {
    "ABOD": "640 us",
    "CBLOF": "380 us",
    "COPOD": "990 us",
    "ECOD": "1.0 ms",
    "GMM": "270 us",
    "HBOS": "3 us",
    "HDBSCAN": "430 us",
    "IForest": "60 us",
    "INNE": "53 ms",
    "KDE": "330 us",
    "KNN": "9 us",
    "KPCA": "4.3 ms",
    "LOF": "10 us",
    "MAD": "1 us",
    "MCD": "350 us",
    "OCSVM": "270 us",
    "PCA": "190 us",
    "Sampling": "2 us",
}
