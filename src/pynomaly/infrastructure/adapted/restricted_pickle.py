"""Pickle that brings back nothing but an exact list of types.

River's models have no other lossless form: their state lies in Rust objects that only know pickle. So reading is
restricted to the (module, name) pairs below. Each is a plain container or a class or function that computes without
touching files, processes or imports, so whatever a crafted pickle builds of them stays data. The only callable that
calls others is `functools.partial` (half-space trees keep one as the default of their limits), and all it can be
given are the names of this list. No method is brought back by its name: River's PageHinkley keeps one of its own three
as the test that it makes, which is written as a call of `page_hinkley_test` and can be nothing else.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from types import MethodType
from typing import Any, Final

from pynomaly.domain.error import StateError

#: Every global that the supported models and transformers of River need, and no other.
ALLOWED_GLOBALS: Final = frozenset(
    {
        ("builtins", "float"),
        ("builtins", "tuple"),
        ("collections", "Counter"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("functools", "partial"),
        ("pynomaly.infrastructure.adapted.restricted_pickle", "page_hinkley_test"),
        ("random", "Random"),
        ("river._river_rust.drift", "AdaptiveWindowing"),
        ("river._river_rust.stats", "RsEWMean"),
        ("river._river_rust.stats", "RsEWVar"),
        ("river._river_rust.stats", "RsIQR"),
        ("river._river_rust.stats", "RsQuantile"),
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
        ("river.drift.adwin", "ADWIN"),
        ("river.drift.kswin", "KSWIN"),
        ("river.drift.page_hinkley", "PageHinkley"),
        ("river.linear_model.lin_reg", "LinearRegression"),
        ("river.neighbors.lazy", "LazySearch"),
        ("river.optim.initializers", "Zeros"),
        ("river.optim.losses", "Hinge"),
        ("river.optim.losses", "Squared"),
        ("river.optim.schedulers", "Constant"),
        ("river.optim.sgd", "SGD"),
        ("river.preprocessing.scale", "AdaptiveStandardScaler"),
        ("river.preprocessing.scale", "MaxAbsScaler"),
        ("river.preprocessing.scale", "MinMaxScaler"),
        ("river.preprocessing.scale", "Normalizer"),
        ("river.preprocessing.scale", "RobustScaler"),
        ("river.preprocessing.scale", "StandardScaler"),
        ("river.proba.gaussian", "Gaussian"),
        ("river.sketch.histogram", "Bin"),
        ("river.sketch.histogram", "Histogram"),
        ("river.stats.ewmean", "EWMean"),
        ("river.stats.ewvar", "EWVar"),
        ("river.stats.iqr", "IQR"),
        ("river.stats.maximum", "AbsMax"),
        ("river.stats.maximum", "Max"),
        ("river.stats.maximum", "RollingAbsMax"),
        ("river.stats.maximum", "RollingMax"),
        ("river.stats.mean", "Mean"),
        ("river.stats.minimum", "Min"),
        ("river.stats.minimum", "RollingMin"),
        ("river.stats.quantile", "Quantile"),
        ("river.stats.var", "Var"),
        ("river.tree.padded", "PaddedBranch"),
        ("river.tree.padded", "PaddedLeaf"),
        ("river.utils.rolling", "Rolling"),
        ("river.utils.sorted_window", "SortedWindow"),
    }
)

_PROTOCOL = 5
_TESTS: Final = frozenset({"_test_increase", "_test_decrease", "_test_both"})


def page_hinkley_test(model: Any, name: str) -> Callable[..., bool]:
    """Return one of the three tests of a PageHinkley.

    Raises
    ------
    StateError
        When it is asked for anything else.
    """
    is_page_hinkley = (type(model).__module__, type(model).__name__) == ("river.drift.page_hinkley", "PageHinkley")
    if not is_page_hinkley or name not in _TESTS:
        raise StateError(f"saved model must hold a test of PageHinkley, was {name!r} of {type(model).__name__}")
    test: Callable[..., bool] = getattr(model, name)
    return test


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any, /) -> Any:
        if isinstance(value, MethodType) and value.__func__.__name__ in _TESTS:
            return page_hinkley_test, (value.__self__, value.__func__.__name__)
        return NotImplemented


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
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=_PROTOCOL).dump(models)
    return buffer.getvalue()


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
