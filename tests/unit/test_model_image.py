"""Fitted PyOD models at rest: they come back bit for bit, under a hash of what they hold."""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np
import pytest

from pynomaly.domain.adapted import PartContext
from pynomaly.domain.error import StateError
from pynomaly.domain.record import Float64Matrix, Stream
from pynomaly.infrastructure.adapted.calls import Calls
from pynomaly.infrastructure.adapted.fitting import (
    FitFailure,
    FitTask,
    FittedModel,
    decode_result,
    encode_result,
    fit,
)
from pynomaly.infrastructure.adapted.model_image import content_hash, dump_model, load_model
from pynomaly.infrastructure.adapted.pyod_catalogue import PYOD_KINDS, new_detector
from pynomaly.infrastructure.adapted.scoring_model import ScoringModel

_PARAMS: dict[str, dict[str, object]] = {"IForest": {"n_estimators": 8}, "INNE": {"n_estimators": 8}}
_WIDTHS = [1, 3, 20]  # from 16 fields on scikit-learn's neighbours are searched by brute force


def _rows(count: int, fields: int, seed: int = 0) -> Float64Matrix:
    """Make two clusters, around 10 and 16, and one record far from both."""
    rows = np.random.default_rng(seed).normal(10.0, 0.5, (count, fields))
    rows[::2] += 6.0
    rows[count // 2] += 15.0
    return rows


@functools.cache
def _fitted(name: str, fields: int, seed: int = 7) -> FittedModel:
    result = fit(FitTask(name, _PARAMS.get(name, {}), seed, _rows(60, fields)))
    assert isinstance(result, FittedModel), result
    return result


def _model(name: str, fitted: FittedModel) -> ScoringModel:
    return ScoringModel(PYOD_KINDS[name], fitted, Calls(PartContext("flow", Stream("topic", 0), "part")))


def _fields(name: str) -> int:
    return 1 if PYOD_KINDS[name].takes_one_field else 3


@pytest.mark.filterwarnings("ignore:The default value of `copy`:FutureWarning")  # scikit-learn, of PyOD's HDBSCAN
@pytest.mark.parametrize("name", PYOD_KINDS)
def test_every_detector_comes_back(name: str) -> None:
    """A supported detector is kept with the vetted types alone, and scores as before, bit for bit."""
    fields = _fields(name)
    np.random.seed(7)  # noqa: NPY002 - what the fit process does
    model = new_detector(name, _PARAMS.get(name, {}), 7)
    model.fit(_rows(60, fields))
    copy = load_model(dump_model(model))
    assert content_hash(copy) == content_hash(model)
    for row in np.split(_rows(9, fields, seed=1), 9):
        assert float(copy.decision_function(row)[0]).hex() == float(model.decision_function(row)[0]).hex()


@pytest.mark.parametrize("name", PYOD_KINDS)
def test_far_records_are_stranger(name: str) -> None:
    """Larger is stranger, and nothing is negative: for every detector, after its scale."""
    fields = _fields(name)
    model = _model(name, _fitted(name, fields))
    ordinary = model.score(np.full((1, fields), 10.5)).scores
    far = model.score(np.full((1, fields), 40.0)).scores
    assert 0.0 <= ordinary[0] < far[0]


@pytest.mark.parametrize("fields", _WIDTHS)
@pytest.mark.parametrize("name", PYOD_KINDS)
def test_scores_do_not_depend_on_company(name: str, fields: int) -> None:
    """A record's score has the same bits alone, among others and in another order, whatever the detector."""
    if PYOD_KINDS[name].takes_one_field and fields > 1:
        pytest.skip("sees a single value")
    model = _model(name, _fitted(name, fields))
    rows = _rows(33, fields, seed=2)
    alone = np.concatenate([model.score(row).scores for row in np.split(rows, 33)])
    np.testing.assert_array_equal(model.score(rows).scores, alone)
    np.testing.assert_array_equal(model.score(rows[::-1].copy()).scores[::-1], alone)


@pytest.mark.parametrize(
    ("name", "fields", "alone"),
    [
        ("IForest", 3, True),
        ("KNN", 3, True),
        ("KNN", 20, False),
        ("LOF", 3, True),
        ("LOF", 20, False),
        ("ECOD", 3, False),
    ],
)
def test_only_vetted_searches_go_in_one_call(name: str, fields: int, *, alone: bool) -> None:
    """Neighbours found by products of matrices are asked row by row; those found in a tree are not."""
    assert PYOD_KINDS[name].scores_rows_alone(load_model(_fitted(name, fields).image)) is alone


def test_equal_fits_have_equal_hashes_and_different_ones_do_not() -> None:
    """The hash follows the content: the seed and each record of the window count, a second fit does not."""
    task = FitTask("IForest", {"n_estimators": 5}, 1, _rows(50, 2))
    others = [
        FitTask("IForest", {"n_estimators": 5}, 2, _rows(50, 2)),
        FitTask("IForest", {"n_estimators": 6}, 1, _rows(50, 2)),
        FitTask("IForest", {"n_estimators": 5}, 1, _rows(50, 2, seed=9)),
    ]
    first, again, *different = (fit(each) for each in (task, task, *others))
    assert isinstance(first, FittedModel)
    assert isinstance(again, FittedModel)
    assert first.content == again.content
    hashes = {first.content, *(each.content for each in different if isinstance(each, FittedModel))}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ("1", b"1"),
        ([1, 2], (1, 2)),
        ([[1], [2]], [[1, 2], []]),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(4), np.zeros(4, np.float32)),
        (np.zeros(2, np.int64), np.zeros(2, np.float64)),
        (np.random.RandomState(1), np.random.RandomState(2)),
        (list, tuple),
    ],
    ids=str,
)
def test_different_values_have_different_hashes(left: Any, right: Any) -> None:
    """Kind, shape, order and sign of a value all count."""
    assert content_hash(left) != content_hash(right)


def test_hash_ignores_what_is_not_content() -> None:
    """Order of insertion, layout in memory and the padding of structured arrays do not count."""
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash({3, 1, 2}) == content_hash({2, 3, 1})
    square = np.arange(9.0).reshape(3, 3)
    assert content_hash(square) == content_hash(np.asfortranarray(square))
    padded = np.dtype([("flag", "u1"), ("number", "f8")], align=True)
    clean, dirty = np.zeros(3, padded), np.frombuffer(b"\xff" * 48, padded).copy()
    dirty["flag"], dirty["number"] = 0, 0.0
    assert content_hash(clean) == content_hash(dirty)


def test_foreign_types_are_refused() -> None:
    """A saved model that names any other type raises StateError and does not run."""
    import skops.io

    image = skops.io.dumps(functools.partial(os.system, "false"))
    with pytest.raises(StateError, match="vetted"):
        load_model(image)


@pytest.mark.parametrize("damage", [slice(0), slice(-40), slice(30, None)], ids=["empty", "cut", "beheaded"])
def test_damaged_models_are_state_errors(damage: slice) -> None:
    """Bytes that are no model raise StateError."""
    with pytest.raises(StateError, match="must be readable"):
        load_model(_fitted("PCA", 3).image[damage])


def test_altered_model_is_refused_before_it_scores() -> None:
    """A model under the hash of another one does not score."""
    pca, knn = _fitted("PCA", 3), _fitted("KNN", 3)
    swapped = FittedModel(knn.image, pca.content, pca.scale)
    with pytest.raises(StateError, match="content hash"):
        _model("PCA", swapped).score(_rows(1, 3))


@pytest.mark.parametrize(
    ("detector", "params", "rows", "error"),
    [
        ("KNN", {"n_neighbors": 50}, _rows(20, 2), "ValueError: Expected n_neighbors"),
        ("KNN", {}, np.ones((20, 2)), "ValueError: scores of the training window must differ"),
        ("GMM", {"n_components": 30}, _rows(20, 2), "ValueError"),
        ("KNN", {"metric": "no such metric"}, _rows(20, 2), "InvalidParameterError"),
    ],
    ids=["too few rows", "constant", "too many parts", "bad metric"],
)
def test_bad_fits_are_values(detector: str, params: dict[str, object], rows: Float64Matrix, error: str) -> None:
    """A fit that raises or makes no sense is a failure with the same text every time."""
    first, again = (fit(FitTask(detector, params, 1, rows)) for _ in range(2))
    assert isinstance(first, FitFailure)
    assert first.error.startswith(error)
    assert first == again


def test_tasks_and_results_travel_unchanged() -> None:
    """What goes to another process and back is what was sent."""
    task = FitTask("PCA", {"whiten": True}, 2**32 - 1, _rows(5, 2))
    copy = FitTask.decode(task.encode())
    assert (copy.detector, copy.params, copy.seed) == ("PCA", {"whiten": True}, 2**32 - 1)
    np.testing.assert_array_equal(copy.rows, task.rows)
    copy.rows[0] = 0.0  # detectors may write to their input
    for result in (_fitted("PCA", 3), FitFailure("ValueError: é")):
        assert decode_result(encode_result(result)) == result
