"""Native detectors by the names that flows use."""

from __future__ import annotations

from typing import Final

from pynomaly.domain.detectors.adaptive_jump import ADAPTIVE_JUMP
from pynomaly.domain.detectors.ar_residual import AR_RESIDUAL
from pynomaly.domain.detectors.auto import describe_auto
from pynomaly.domain.detectors.bayesian_changepoint import BAYESIAN_CHANGEPOINT
from pynomaly.domain.detectors.cadence import CADENCE
from pynomaly.domain.detectors.cusum import CUSUM
from pynomaly.domain.detectors.description import DetectorDescription, OptionDescription, describe
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE
from pynomaly.domain.detectors.exceedance_rate import EXCEEDANCE_RATE
from pynomaly.domain.detectors.half_space_trees import HALF_SPACE_TREES
from pynomaly.domain.detectors.holt_winters import HOLT_WINTERS
from pynomaly.domain.detectors.isolation_forest import ISOLATION_FOREST
from pynomaly.domain.detectors.joint_profile import JOINT_PROFILE
from pynomaly.domain.detectors.jump import JUMP
from pynomaly.domain.detectors.kolmogorov_smirnov import KOLMOGOROV_SMIRNOV
from pynomaly.domain.detectors.left_matrix_profile import LEFT_MATRIX_PROFILE
from pynomaly.domain.detectors.loda import LODA
from pynomaly.domain.detectors.mahalanobis import MAHALANOBIS
from pynomaly.domain.detectors.oneshot_stl import ONESHOT_STL
from pynomaly.domain.detectors.page_hinkley import PAGE_HINKLEY
from pynomaly.domain.detectors.pca_residual import PCA_RESIDUAL
from pynomaly.domain.detectors.relative_entropy import RELATIVE_ENTROPY
from pynomaly.domain.detectors.robust_zscore import ROBUST_ZSCORE
from pynomaly.domain.detectors.rs_hash import RS_HASH
from pynomaly.domain.detectors.running_range import RUNNING_RANGE
from pynomaly.domain.detectors.sdo_stream import SDO_STREAM
from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.detectors.seasonal_slot import SEASONAL_SLOT
from pynomaly.domain.detectors.shape_profile import SHAPE_PROFILE
from pynomaly.domain.detectors.window_knn import WINDOW_KNN

#: Every native detector of this distribution.
NATIVE_DETECTORS: Final[dict[str, Detector]] = {
    detector.name: detector
    for detector in (
        EW_ZSCORE,
        RUNNING_RANGE,
        SEASONAL_SLOT,
        JUMP,
        ADAPTIVE_JUMP,
        RELATIVE_ENTROPY,
        EXCEEDANCE_RATE,
        LEFT_MATRIX_PROFILE,
        SHAPE_PROFILE,
        HALF_SPACE_TREES,
        LODA,
        MAHALANOBIS,
        PCA_RESIDUAL,
        ISOLATION_FOREST,
        WINDOW_KNN,
        SDO_STREAM,
        RS_HASH,
        JOINT_PROFILE,
        AR_RESIDUAL,
        ROBUST_ZSCORE,
        CUSUM,
        PAGE_HINKLEY,
        HOLT_WINTERS,
        ONESHOT_STL,
        BAYESIAN_CHANGEPOINT,
        KOLMOGOROV_SMIRNOV,
        CADENCE,
    )
}


def describe_all() -> tuple[DetectorDescription, ...]:
    """Describe everything that an entry of `detectors` can name, the default first."""
    return (describe_auto(), *map(describe, NATIVE_DETECTORS.values()))


__all__ = ["NATIVE_DETECTORS", "Detector", "DetectorDescription", "OptionDescription", "describe", "describe_all"]
