"""The detectors of PyOD that can serve a stream, and why the others cannot.

A detector is supported when its fitted model scores one record by itself and survives `model_image` unchanged. Those
that score a record only against the other records of the same call would give scores that depend on batch cuts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, cast

from pynomaly.domain.error import ConfigError, Problem


def _never(_model: Any) -> bool:
    return False


def _always(_model: Any) -> bool:
    return True


def _searches_a_tree(neighbours: str) -> Callable[[Any], bool]:
    """Brute force search multiplies matrices, whose last bits depend on the shape; a tree walks record by record."""
    return lambda model: getattr(model, neighbours)._fit_method in {"kd_tree", "ball_tree"}  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class PyodKind:
    """A supported detector.

    Parameters
    ----------
    module
        Its module in `pyod.models`.
    scores_rows_alone
        ``(fitted model) -> bool``: whether ``decision_function`` gives each row the very bits that it gets alone, so
        that rows can go in one call. Vetted in the source and by a test; anything that multiplies matrices is not.
    takes_one_field
        Whether it sees a single value.
    """

    module: str
    scores_rows_alone: Callable[[Any], bool] = _never
    takes_one_field: bool = False


PYOD_KINDS: Final[dict[str, PyodKind]] = {
    "ABOD": PyodKind("abod"),
    "CBLOF": PyodKind("cblof"),
    "COPOD": PyodKind("copod"),
    "ECOD": PyodKind("ecod"),
    "GMM": PyodKind("gmm"),
    "HBOS": PyodKind("hbos", _always),
    "HDBSCAN": PyodKind("hdbscan"),
    "IForest": PyodKind("iforest", _always),
    "INNE": PyodKind("inne"),
    "KDE": PyodKind("kde"),
    "KNN": PyodKind("knn", _searches_a_tree("neigh_")),
    "KPCA": PyodKind("kpca"),
    "LOF": PyodKind("lof", _searches_a_tree("detector_")),
    "MAD": PyodKind("mad", _always, takes_one_field=True),
    "MCD": PyodKind("mcd"),
    "OCSVM": PyodKind("ocsvm"),
    "PCA": PyodKind("pca"),
    "Sampling": PyodKind("sampling", _always),
}

_TRANSDUCTIVE = "it scores a record only among the other records of the same call, which a stream does not have"
_NEURAL = "it is a neural network, whose model cannot be kept without pickle"
_NESTED = "it is made of other detectors; name them as detectors of the flow, which combines their evidence"
_REFUSED: Final[dict[str, str]] = {
    **dict.fromkeys(("CD", "COF", "LMDD", "LOCI", "RGraph", "ROD", "SOD", "SOS"), _TRANSDUCTIVE),
    **dict.fromkeys(("AE1SVM", "ALAD", "AnoGAN", "AutoEncoder", "DeepSVDD", "DevNet", "DIF", "LUNAR"), _NEURAL),
    **dict.fromkeys(("MO_GAAL", "SO_GAAL", "SO_GAAL_NEW", "VAE"), _NEURAL),
    **dict.fromkeys(("FeatureBagging", "LSCP", "SUOD", "XGBOD"), _NESTED),
    "LODA": "PyOD's version reads the histogram bin beside the record's own, so common records look rare and far ones "
    "common; use River's LODA",
    "QMCD": "its compiled code reorders sums by the number of threads, so a replay would differ",
}

#: Parameters that pynomaly sets where a detector takes them.
_OURS: Final[dict[str, str]] = {
    "n_jobs": "must not be given: a detector gets one thread, so that its sums have one order",
    "random_state": "must not be given: it follows from flow, stream, part, group and fit number",
}


def pyod_kind(name: str) -> PyodKind:
    """Look a detector up.

    Raises
    ------
    ConfigError
        When it is unknown or unfit, with the reason and the names there are.
    """
    kind = PYOD_KINDS.get(name)
    if kind is not None:
        return kind
    reason = f": {_REFUSED[name]}" if name in _REFUSED else ""
    raise ConfigError(Problem("pyod", f"must be one of {', '.join(PYOD_KINDS)}, was {name!r}{reason}"))


def pyod_class(name: str) -> type[Any]:
    """Import the class of a supported detector; takes a second or two the first time.

    Raises
    ------
    ConfigError
        When PyOD, skops or threadpoolctl are missing.
    """
    kind = pyod_kind(name)
    try:
        for needed in ("skops.io", "threadpoolctl"):
            import_module(needed)
        module = import_module(f"pyod.models.{kind.module}")
    except ImportError as error:
        rule = f"needs an extra: pip install 'pynomaly-streaming[pyod]' ({error})"
        raise ConfigError(Problem("pyod", rule)) from None
    return cast("type[Any]", getattr(module, name))


def new_detector(name: str, params: Mapping[str, object], seed: int) -> Any:
    """Return an unfitted detector with one thread and a seed, where it takes them."""
    cls = pyod_class(name)
    ours = {"n_jobs": 1, "random_state": seed}
    taken = inspect.signature(cls).parameters
    return cls(**params, **{param: value for param, value in ours.items() if param in taken})


def check_pyod(name: str, params: Mapping[str, object], fields: tuple[str, ...]) -> None:
    """Check a detector, its parameters and its fields.

    Raises
    ------
    ConfigError
        Saying which names or parameters exist. What a constructor lets pass shows up at the first fit.
    """
    kind, cls = pyod_kind(name), pyod_class(name)
    problems = [problem for param in params if (problem := _param_problem(cls, param)) is not None]
    if kind.takes_one_field and len(fields) != 1:
        problems.append(Problem("fields", f"must be one field, was {len(fields)}: it sees a single value"))
    if problems:
        raise ConfigError(*problems)
    try:
        new_detector(name, params, 0)
    except Exception as error:  # noqa: BLE001 - constructors raise what they like
        text = f"must suit PyOD's {name}, was {dict(params)!r} ({type(error).__name__}: {error})"
        raise ConfigError(Problem("params", text)) from None


def _param_problem(cls: type[Any], param: str) -> Problem | None:
    known = [item.name for item in inspect.signature(cls).parameters.values() if item.kind is not item.VAR_KEYWORD]
    if param not in known:
        return Problem(
            "params", f"must be among {', '.join(item for item in known if item not in _OURS)}, was {param!r}"
        )
    return Problem(f"params.{param}", _OURS[param]) if param in _OURS else None
