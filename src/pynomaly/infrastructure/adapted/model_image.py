"""Fitted models as bytes without pickle, and a hash of what they hold."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from itertools import chain
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import StateError

_PYOD_MODELS = (
    "abod.ABOD cblof.CBLOF copod.COPOD ecod.ECOD gmm.GMM hbos.HBOS hdbscan.HDBSCAN iforest.IForest inne.INNE kde.KDE "
    "knn.KNN kpca.KPCA kpca.PyODKernelPCA lof.LOF mad.MAD mcd.MCD ocsvm.OCSVM pca.PCA sampling.Sampling"
)
_METRICS = "Euclidean Manhattan Chebyshev Minkowski WMinkowski SEuclidean Mahalanobis Canberra BrayCurtis Hamming"

#: Every type beyond skops' own list (NumPy, SciPy's sparse arrays, public scikit-learn estimators) that a supported
#: detector is made of. Each was read: its constructor and `__setstate__` copy arrays and numbers, nothing else. The
#: list is never taken from a file.
TRUSTED_TYPES: Final = (
    *(f"pyod.models.{name}" for name in _PYOD_MODELS.split()),
    *(f"sklearn.metrics._dist_metrics.{name}Distance64" for name in _METRICS.split()),
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)


def dump_model(model: Any) -> bytes:
    """Serialise a fitted model; the bytes hold timestamps and addresses, so compare models by `content_hash`."""
    import skops.io  # noqa: PLC0415 - heavy, and an extra

    # Level 1 makes a forest five times smaller in the time that writing it plain takes.
    return bytes(skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED, compresslevel=1))


def load_model(image: bytes) -> Any:
    """Read what `dump_model` wrote; 2 ms for most detectors, 100 ms for a forest of 100 trees.

    Raises
    ------
    StateError
        When the bytes hold a type outside `TRUSTED_TYPES`, or are no model.
    """
    import skops.io  # noqa: PLC0415
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    try:
        return skops.io.loads(image, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise StateError(f"model must hold only the types that pynomaly vetted, was {error}") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError) as error:
        raise StateError(f"model must be readable, was {type(error).__name__}: {error}") from error


def content_hash(model: Any) -> str:
    """Hash what a model holds: BLAKE2b-128 over a canonical walk, 32 hexadecimal digits.

    Arrays count by dtype, shape and elements in C order (structured ones field by field: the padding between fields
    is arbitrary), numbers by their bits, objects by their class and by the state that they give to be copied,
    attributes and dictionary entries in the order of their names. So equal fits have equal hashes in every process,
    whatever their addresses, and a model has the same hash after `load_model`. Costs about 1 ms a tree.
    """
    return _digest(model).hex()


def _digest(value: Any) -> bytes:
    tag, chunks = _content(value)
    digest = hashlib.blake2b(tag.encode(), digest_size=16, person=b"pynomaly-model")
    for chunk in chunks:
        digest.update(len(chunk).to_bytes(8, "little"))
        digest.update(chunk)
    return digest.digest()


def _content(value: Any) -> tuple[str, Iterable[bytes]]:  # noqa: PLR0911 - one line a kind of value
    """Name the kind of a value and split its content into chunks."""
    match value:
        case np.ndarray() | np.generic():
            return "array", _array_content(np.asarray(value))
        case None | bool() | int() | float() | str() | bytes():
            return type(value).__qualname__, (repr(value).encode(),)  # repr of a float is exact
        case list() | tuple():
            return type(value).__qualname__, map(_digest, value)
        case dict():
            return "dict", chain.from_iterable(sorted((_digest(key), _digest(item)) for key, item in value.items()))
        case set() | frozenset():
            return "set", sorted(map(_digest, value))
        case type() | FunctionType() | BuiltinFunctionType():
            return "name", (f"{value.__module__}.{value.__qualname__}".encode(),)
        case np.random.RandomState():
            return "random", (_digest(value.get_state(legacy=False)),)
        case np.dtype():
            return "dtype", (value.str.encode(),)
        case _:
            return "object", map(_digest, _object_content(value))


def _array_content(array: NDArray[Any]) -> Iterable[bytes]:
    yield repr((array.dtype.str, array.dtype.names, array.shape)).encode()
    if array.dtype.names is not None:
        yield from (_digest(array[name]) for name in array.dtype.names)
    elif array.dtype.hasobject:
        yield _digest(array.tolist())
    else:
        yield array.tobytes()


def _object_content(value: Any) -> Iterable[Any]:
    """Return class and state as the copy protocol gives them: works for compiled classes, which have no __dict__."""
    reduced = value.__reduce_ex__(2)
    if isinstance(reduced, str):
        return (reduced,)
    function, arguments, state, items, entries = (*reduced, None, None, None)[:5]
    return function, arguments, state, list(items or ()), dict(entries or ())
