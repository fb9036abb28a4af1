"""Pickle that brings back nothing but an exact list of types.

River's models have no other lossless form: their state lies in Rust objects that only know pickle. So reading is
restricted to the (module, name) pairs below. Each is a plain container or a class or function that computes without
touching files, processes or imports, so whatever a crafted pickle builds of them stays data. The only callable that
calls others is `functools.partial` (half-space trees keep one as the default of their limits), and all it can be
given are the names of this list.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

from pynomaly.domain.error import StateError

#: Every global that the supported models of `river.anomaly` need, and no other.
ALLOWED_GLOBALS: Final = frozenset(
    {
        ("builtins", "tuple"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("functools", "partial"),
        ("random", "Random"),
        ("river._river_rust.vectordict", "VectorDict"),
        ("river._river_rust.vectordict", "euclidean_distance_tuple"),
        ("river.anomaly.gaussian", "GaussianScorer"),
        ("river.anomaly.hst", "HalfSpaceTrees"),
        ("river.anomaly.loda", "LODA"),
        ("river.anomaly.lof", "LocalOutlierFactor"),
        ("river.anomaly.pad", "PredictiveAnomalyDetection"),
        ("river.anomaly.sad", "StandardAbsoluteDeviation"),
        ("river.anomaly.svm", "OneClassSVM"),
        ("river.compose.pipeline", "Pipeline"),
        ("river.linear_model.lin_reg", "LinearRegression"),
        ("river.neighbors.lazy", "LazySearch"),
        ("river.optim.initializers", "Zeros"),
        ("river.optim.losses", "Hinge"),
        ("river.optim.losses", "Squared"),
        ("river.optim.schedulers", "Constant"),
        ("river.optim.sgd", "SGD"),
        ("river.preprocessing.scale", "MinMaxScaler"),
        ("river.proba.gaussian", "Gaussian"),
        ("river.sketch.histogram", "Bin"),
        ("river.sketch.histogram", "Histogram"),
        ("river.stats.maximum", "Max"),
        ("river.stats.mean", "Mean"),
        ("river.stats.minimum", "Min"),
        ("river.stats.var", "Var"),
        ("river.tree.padded", "PaddedBranch"),
        ("river.tree.padded", "PaddedLeaf"),
        ("river.utils.rolling", "Rolling"),
    }
)

_PROTOCOL = 5


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in ALLOWED_GLOBALS:
            raise StateError(
                f"saved model must hold only the listed types of River, was {module_name}.{global_name}: "
                "not written by this version of pynomaly, or altered"
            )
        return super().find_class(module_name, global_name)


def dump_models(models: list[Any]) -> bytes:
    """Serialise River models; a contract test proves that `load_models` takes back every supported one."""
    return pickle.dumps(models, protocol=_PROTOCOL)


def load_models(data: bytes) -> list[Any]:
    """Read what `dump_models` wrote.

    Raises
    ------
    StateError
        When the bytes name any global outside `ALLOWED_GLOBALS`, or are no pickled list.
    """
    try:
        models: object = _RestrictedUnpickler(io.BytesIO(data)).load()
    except StateError:
        raise
    except Exception as error:  # broken pickles raise almost anything
        raise StateError(f"saved models must be readable, was {type(error).__name__}: {error}") from error
    if not isinstance(models, list):
        raise StateError(f"saved models must be a list, was {type(models).__name__}")
    return models
