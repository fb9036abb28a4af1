"""What every adapted detector must keep, of River and of PyOD alike."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.adapted import AcceptedRows, AdaptedPart, PartContext
from pynomaly.domain.error import ConfigError, StateError
from pynomaly.domain.event import Event, ModelRefitted
from pynomaly.domain.record import Stream
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.infrastructure.adapted import PyodPart, RiverPart
from pynomaly.infrastructure.adapted.fitting import FitResult, FitTask, fit
from pynomaly.infrastructure.adapted.pyod_catalogue import PYOD_KINDS
from pynomaly.infrastructure.adapted.pyod_part import PyodSettings
from pynomaly.infrastructure.adapted.refit_schedule import RefitSchedule
from pynomaly.infrastructure.adapted.restricted_pickle import dump_models
from pynomaly.infrastructure.adapted.river_catalogue import RIVER_KINDS, learn, river_class
from pynomaly.infrastructure.adapted.river_steps import RIVER_STEPS, Step

_CONTEXT = PartContext("flow", Stream("topic", 3, "incarnation"), "part")
_SCHEDULE = RefitSchedule(window=24, refit_every=16, adopt_after=6)
_RECORDS = 160  # of two series in turn, so each goes through several fits


class _InlineFits:
    """`Fits` without a process: fits at once, so that the checks of one part take milliseconds."""

    def submit(self, task: FitTask) -> Future[FitResult]:
        future: Future[FitResult] = Future()
        future.set_result(fit(FitTask.decode(task.encode())))
        return future

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Case:
    """A detector under options, and how many fields it sees."""

    name: str
    fields: int
    build: Callable[[int], AdaptedPart]

    def __str__(self) -> str:
        return self.name

    def part(self) -> AdaptedPart:
        """Build it on its usual number of fields."""
        return self.build(self.fields)


def _names(fields: int) -> tuple[str, ...]:
    return tuple("abc"[:fields])


def _river(model: str, fields: int, steps: tuple[Step, ...] = (), **params: object) -> Case:
    name = "-".join(["river", *(step.name for step in steps), model, str(len(params))])
    return Case(name, fields, lambda count: RiverPart(_CONTEXT, model, params, _names(count), steps))


def _pyod(detector: str, group_by: Any = "series", **params: object) -> Case:
    def build(fields: int) -> AdaptedPart:
        settings = PyodSettings(detector, params, _names(fields), _SCHEDULE, group_by)
        return PyodPart(_CONTEXT, settings, _InlineFits())

    return Case(f"pyod-{detector}-{group_by}", 2, build)


_CASES = [
    _river("GaussianScorer", 1, grace_period=10),
    _river("GaussianScorer", 1, window_size=30, grace_period=10),
    _river("HalfSpaceTrees", 2, n_trees=5, height=4, window_size=20),
    _river("LODA", 2, n_random_cuts=5, n_bins=8),
    _river("LocalOutlierFactor", 2, n_neighbors=4),
    _river("OneClassSVM", 2),
    _river("PredictiveAnomalyDetection", 2, warmup_period=8),
    _river("PredictiveAnomalyDetection", 1),
    _river("StandardAbsoluteDeviation", 1),
    _river("ADWIN", 1, grace_period=5, clock=8),
    _river("KSWIN", 1, window_size=30, stat_size=10),
    _river("PageHinkley", 1, min_instances=10, mode="down"),
    _river("LODA", 2, (Step("StandardScaler"), Step("MaxAbsScaler", {"window_size": 20})), n_random_cuts=5, n_bins=8),
    _river("HalfSpaceTrees", 2, (Step("MinMaxScaler", {"window_size": 30}),), n_trees=5, height=4, window_size=20),
    _river("OneClassSVM", 2, (Step("Normalizer", {"order": 1}),)),
    _river("PredictiveAnomalyDetection", 2, (Step("AdaptiveStandardScaler"),), warmup_period=8),
    _river("GaussianScorer", 1, (Step("RobustScaler", {"q_inf": 0.1}),), grace_period=10),
    _river("PageHinkley", 1, (Step("StandardScaler", {"with_std": False}),)),
    _pyod("IForest", n_estimators=10),
    _pyod("IForest", "stream", n_estimators=10),
    _pyod("KNN"),
    _pyod("ECOD"),
    _pyod("PCA", "stream"),
    _pyod("MCD"),
]
_every_case = pytest.mark.parametrize("case", _CASES, ids=str)


def _is_of_drift(case: Case) -> bool:
    return any(kind.sees == "stream" and f"-{name}-" in case.name for name, kind in RIVER_KINDS.items())


def _rows(fields: int, count: int = _RECORDS, seed: int = 0) -> AcceptedRows:
    """Make two series in turn, the offsets with gaps, all values around 0.7."""
    number = np.arange(count)
    values = np.random.default_rng(seed).normal(0.7, 0.05, (count, fields))
    return AcceptedRows(
        number * 3 + 10, number * 1_000_000_000, number % 2, values, [f"pump-{series}" for series in number % 2]
    )


def _cut(rows: AcceptedRows, start: int, stop: int | None) -> AcceptedRows:
    at = slice(start, stop)
    return AcceptedRows(rows.offset[at], rows.time_ns[at], rows.series[at], rows.values[at], rows.key[at])


def _run(part: AdaptedPart, rows: AcceptedRows, size: int) -> tuple[NDArray[np.float64], tuple[Event, ...]]:
    scores, events = [np.empty(0)], []
    for start in range(0, len(rows), size):
        some, happened = part.process(_cut(rows, start, start + size))
        scores.append(some)
        events += happened
    return np.concatenate(scores), tuple(events)


def _through_bytes(image: StateImage) -> StateImage:
    return unpack(pack(image))


@_every_case
def test_scores_are_non_negative_and_known_once_warm(case: Case) -> None:
    """Scores are finite and at least 0; a series that was judged once is judged ever after."""
    rows = _rows(case.fields)
    scores, _ = case.part().process(rows)
    assert scores.shape == (len(rows),)
    assert scores.dtype == np.float64
    for slot in (0, 1):
        known = ~np.isnan(scores[rows.series == slot])
        assert known.any()
        assert not known[0]
        assert (np.diff(known.astype(int)) >= 0).all()
    judged = scores[~np.isnan(scores)]
    assert np.isfinite(judged).all()
    assert (judged >= 0.0).all()


@_every_case
def test_far_records_are_stranger(case: Case) -> None:
    """A record far from all others scores as high as the highest tenth of them, and higher than most."""
    if _is_of_drift(case):
        pytest.skip("one record is no drift")
    rows = _rows(case.fields)
    # River's predictive model expects the first field from the others, so only that one may be out of place.
    rows.values[-1, : 1 if "Predictive" in case.name else None] = -0.5
    scores, _ = case.part().process(rows)
    assert scores[-1] >= np.nanquantile(scores[:-1], 0.9)
    assert scores[-1] > np.nanmedian(scores[:-1])


@_every_case
def test_future_changes_nothing(case: Case) -> None:
    """Scores and events of a prefix are the same whether the stream stops there or goes on otherwise."""
    rows = _rows(case.fields)
    prefix = 111
    scores, events = case.part().process(_cut(rows, 0, prefix))
    altered = replace(rows, values=np.where(np.arange(len(rows))[:, None] < prefix, rows.values, 9.9))
    longer_scores, longer_events = case.part().process(altered)
    np.testing.assert_array_equal(longer_scores[:prefix], scores)
    assert longer_events[: len(events)] == events


@_every_case
@pytest.mark.parametrize("size", [1, 7])
def test_batch_cuts_change_nothing(case: Case, size: int) -> None:
    """Scores have the same bits and events the same order, however the rows are cut."""
    rows = _rows(case.fields)
    whole, events = _run(case.part(), rows, len(rows))
    cut, cut_events = _run(case.part(), rows, size)
    np.testing.assert_array_equal(cut, whole)
    assert cut_events == events


# With two series in turn the stream's record 2k is the series' record k; fits are requested at 24, 40, ... and adopted
# at 30, 46, ... records of a group: before anything, while filling, at a request, while a fit is pending, on both sides
# of an adoption, at the second request.
_MOMENTS = [0, 11, 24, 27, 29, 30, 40, 47, 48, 52, 57, 58, 59, 60, 80, 93]


@_every_case
def test_restart_changes_nothing(case: Case) -> None:
    """A part restored from bytes at any kind of moment goes on exactly, requesting a pending fit again."""
    rows = _rows(case.fields, 110)
    whole, events = _run(case.part(), rows, len(rows))
    first = case.part()
    scores, happened = [np.empty(0)], []
    for start, stop in pairwise([0, *_MOMENTS, len(rows)]):
        second = case.part()
        second.restore(_through_bytes(first.snapshot()))
        first.close()
        some, new = second.process(_cut(rows, start, stop))
        scores.append(some)
        happened += new
        first = second
    np.testing.assert_array_equal(np.concatenate(scores), whole)
    assert tuple(happened) == events


@_every_case
def test_snapshot_disturbs_nothing(case: Case) -> None:
    """Taking a snapshot neither changes the part nor is changed by what it does next."""
    rows = _rows(case.fields)
    whole, _ = case.part().process(rows)
    part = case.part()
    before, _ = part.process(_cut(rows, 0, 100))
    image = part.snapshot()
    after, _ = part.process(_cut(rows, 100, None))
    np.testing.assert_array_equal(np.concatenate([before, after]), whole)
    late = case.part()
    late.restore(image)
    again, _ = late.process(_cut(rows, 100, None))
    np.testing.assert_array_equal(again, after)


@_every_case
def test_foreign_state_is_refused(case: Case) -> None:
    """A state of other settings or of another version of a library raises StateError that says what to do."""
    part = case.part()
    part.process(_rows(case.fields, 10))
    image = _through_bytes(part.snapshot())
    header: dict[str, Any] = dict(image.header)
    for section in ("settings", "libraries"):
        for name in header[section]:
            altered = {**header, section: {**header[section], name: "other"}}
            with pytest.raises(StateError, match=rf"part: {name} must be .*, or go on without the state"):
                case.part().restore(StateImage(altered, image.sections))


@_every_case
def test_state_is_bounded(case: Case) -> None:
    """Twice the records of the same series: the state grows by no more than the lengths of its numbers."""
    part = case.part()
    if "LocalOutlierFactor" in case.name:
        pytest.skip("its window of 1000 records takes a test of its own")
    sizes: list[int] = []
    for half in range(2):
        part.process(_rows(case.fields, 208, seed=half))
        sizes.append(len(pack(part.snapshot())))
    assert sizes[1] <= sizes[0] * 1.12


_DRIFTS: dict[str, dict[str, object]] = {
    "ADWIN": {"clock": 1},
    "KSWIN": {"window_size": 60, "stat_size": 20},
    "PageHinkley": {"threshold": 3.0},
}


@pytest.mark.parametrize("model", _DRIFTS)
def test_drifts_are_found_where_they_are(model: str) -> None:
    """A shift of ten standard deviations is found within 30 records, and before it nothing scores as high."""
    rows = _rows(1, 400)
    rows.values[200:] += 0.5
    scores, _ = RiverPart(_CONTEXT, model, _DRIFTS[model], ("a",)).process(
        replace(rows, series=np.zeros(400, np.int64))
    )
    highest = int(np.nanargmax(scores))
    assert 200 <= highest < 260
    assert scores[200:230].max() > np.nanmax(scores[:200])


def test_steps_are_river_s_own_pipeline() -> None:
    """Scores with steps are those of River's pipeline, which scores a record first and learns it then."""
    from river import anomaly, preprocessing

    pipeline = preprocessing.StandardScaler() | preprocessing.MinMaxScaler() | anomaly.OneClassSVM()
    steps = (Step("StandardScaler"), Step("MinMaxScaler"))
    rows = _rows(2, 60)
    scores, _ = RiverPart(_CONTEXT, "OneClassSVM", {}, ("a", "b"), steps).process(
        replace(rows, series=np.zeros(60, np.int64))
    )
    for row, values in enumerate(rows.values.tolist()):
        x = dict(zip(("a", "b"), values, strict=True))
        if row > 0:
            margin = 1.0 - pipeline["OneClassSVM"].intercept - pipeline.score_one(x)
            assert scores[row] == pytest.approx(np.log1p(np.exp(margin)), rel=1e-12)
        pipeline.learn_one(x)


def test_local_outlier_factor_forgets() -> None:
    """River's LocalOutlierFactor holds its last 1000 records and no more."""
    kind, model = RIVER_KINDS["LocalOutlierFactor"], river_class("LocalOutlierFactor")()
    sizes: list[int] = []
    for _ in range(2):
        for values in _rows(2, 1500).values.tolist():
            learn(kind, [model], ("a", "b"), values)
        sizes.append(len(dump_models([model])))
    assert sizes[1] == sizes[0]


@_every_case
def test_empty_batches_are_nothing(case: Case) -> None:
    """No rows: no scores, no events, no change."""
    part = case.part()
    scores, events = part.process(_rows(case.fields, 0))
    assert scores.shape == (0,)
    assert events == ()
    part.close()
    part.close()


@_every_case
def test_series_do_not_mix(case: Case) -> None:
    """With a model for each series, what another series does changes no score."""
    if "stream" in case.name:
        pytest.skip("one model for all series, as asked for")
    rows = _rows(case.fields)
    scores, _ = case.part().process(rows)
    other = replace(rows, values=np.where((rows.series == 1)[:, None], 5.0 + rows.values, rows.values))
    others, _ = case.part().process(other)
    np.testing.assert_array_equal(others[rows.series == 0], scores[rows.series == 0])


@_every_case
def test_forgotten_series_begin_anew(case: Case) -> None:
    """A series that was forgotten takes no room, scores as in a fresh part, and leaves the others as they were."""
    if "stream" in case.name:
        pytest.skip("one model for all series, which is not forgotten with any of them")
    rows = _rows(case.fields)
    part = case.part()
    first, _ = part.process(rows)
    before = len(pack(part.snapshot()))
    part.forget(np.array([0, 77]))
    assert len(pack(part.snapshot())) < before
    second, _ = part.process(rows)
    np.testing.assert_array_equal(second[rows.series == 0], first[rows.series == 0])
    untouched = case.part()
    untouched.process(rows)
    np.testing.assert_array_equal(second[rows.series == 1], untouched.process(rows)[0][rows.series == 1])


@pytest.mark.parametrize("group_by", ["series", "stream"])
def test_models_take_over_at_fixed_records(group_by: Any) -> None:
    """Adoptions stand at the offsets that the schedule names, whatever the batches: counted by hand."""
    settings = PyodSettings("KNN", {}, ("a", "b"), _SCHEDULE, group_by)
    rows = _rows(2, 100)
    scores, events = _run(PyodPart(_CONTEXT, settings, _InlineFits()), rows, 13)
    adopted = [(event.group, event.fit_number, event.offset) for event in events if isinstance(event, ModelRefitted)]
    # Record number 30 of the stream is row 29; record number 30 of series s is row 58 + s. Row r has offset 3 r + 10.
    if group_by == "stream":
        expected = [("topic[3]", fit_number, 3 * row + 10) for fit_number, row in enumerate([29, 45, 61, 77, 93], 1)]
        first_known = 29
    else:
        pairs = [(1, 58, 0), (1, 59, 1), (2, 90, 0), (2, 91, 1)]
        expected = [(f"pump-{slot}", fit_number, 3 * row + 10) for fit_number, row, slot in pairs]
        first_known = 58
    assert adopted == expected
    assert np.flatnonzero(~np.isnan(scores))[0] == first_known
    assert len({event.id for event in events}) == len(events)


def test_pyod_scores_equal_the_naive_oracle() -> None:
    """Scores of KNN are the distance to the fifth neighbour in the window of the right fit, shifted and scaled."""
    settings = PyodSettings("KNN", {"n_neighbors": 5}, ("a", "b"), _SCHEDULE, "stream")
    rows = _rows(2, 100)
    scores, _ = PyodPart(_CONTEXT, settings, _InlineFits()).process(rows)
    for row in range(29, 100):
        fitted_at = 24 + 16 * ((row + 1 - 30) // 16)
        window = rows.values[fitted_at - 24 : fitted_at]
        distance = np.linalg.norm(window[:, None] - window[None], axis=2)
        training = np.sort(distance, axis=1)[:, 5]  # column 0 is the record itself
        lower, upper = np.quantile(training, (0.25, 0.75))
        fifth = np.sort(np.linalg.norm(window - rows.values[row], axis=1))[4]
        assert scores[row] == pytest.approx(max(0.0, (fifth - training.min()) / (upper - lower)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: RiverPart(_CONTEXT, "HalfSpaceTree", {}, ("a",)), "must be one of GaussianScorer, HalfSpaceTrees"),
        (lambda: RiverPart(_CONTEXT, "QuantileFilter", {}, ("a",)), "wraps another detector"),
        (
            lambda: RiverPart(_CONTEXT, "LODA", {"bins": 3}, ("a",)),
            "must be among n_bins, n_random_cuts, seed, was 'bins'",
        ),
        (lambda: RiverPart(_CONTEXT, "LODA", {"n_bins": "many"}, ("a",)), "must suit River's LODA"),
        (lambda: RiverPart(_CONTEXT, "GaussianScorer", {}, ("a", "b")), "must be one field, was 2"),
        (lambda: RiverPart(_CONTEXT, "KSWIN", {}, ("a", "b")), "must be one field, was 2"),
        (lambda: RiverPart(_CONTEXT, "HDDMW", {}, ("a",)), "counts the errors of a classifier"),
        (
            lambda: RiverPart(_CONTEXT, "LODA", {}, ("a",), (Step("StandardScaler"), Step("StandardScalar"))),
            r"preprocessing\[1\].step: must be one of AdaptiveStandardScaler, .*, was 'StandardScalar'",
        ),
        (lambda: RiverPart(_CONTEXT, "LODA", {}, ("a",), (Step("OneHotEncoder"),)), "it is for words and categories"),
        (
            lambda: RiverPart(_CONTEXT, "LODA", {}, ("a",), (Step("MinMaxScaler", {"window": 3}),)),
            r"preprocessing\[0\].params: must be among window_size, was 'window'",
        ),
        (
            lambda: RiverPart(_CONTEXT, "LODA", {}, ("a",), (Step("RobustScaler", {"q_inf": 7}),)),
            r"preprocessing\[0\].params: must suit River's RobustScaler",
        ),
        (lambda: RiverPart(_CONTEXT, "LODA", {"seed": object()}, ("a",)), "must be JSON values"),
        (lambda: PyodSettings("Forest", {}, ("a",), _SCHEDULE), "must be one of ABOD, .*, was 'Forest'"),
        (lambda: PyodSettings("SOD", {}, ("a",), _SCHEDULE), "among the other records of the same call"),
        (lambda: PyodSettings("LODA", {}, ("a",), _SCHEDULE), "use River's LODA"),
        (lambda: PyodSettings("AutoEncoder", {}, ("a",), _SCHEDULE), "neural network"),
        (
            lambda: PyodSettings("KNN", {"k": 1}, ("a",), _SCHEDULE),
            "must be among contamination, n_neighbors.*, was 'k'",
        ),
        (lambda: PyodSettings("IForest", {"random_state": 1}, ("a",), _SCHEDULE), "random_state: must not be given"),
        (lambda: PyodSettings("IForest", {"n_jobs": 4}, ("a",), _SCHEDULE), "n_jobs: must not be given"),
        (lambda: PyodSettings("KNN", {"contamination": 2.0}, ("a",), _SCHEDULE), "must suit PyOD's KNN"),
        (lambda: PyodSettings("MAD", {}, ("a", "b"), _SCHEDULE), "must be one field, was 2"),
        (lambda: RefitSchedule(window=10, refit_every=5, adopt_after=6), "at most refit_every .5., was 6"),
        (lambda: RefitSchedule(window=1), "window: must be between 2"),
    ],
)
def test_wrong_settings_stop_at_start(build: Callable[[], object], text: str) -> None:
    """A wrong name, parameter, field or schedule is a ConfigError that says what there is."""
    with pytest.raises(ConfigError, match=text):
        build()


@pytest.mark.parametrize(("page", "names"), [("detectors-river.md", RIVER_KINDS), ("detectors-pyod.md", PYOD_KINDS)])
def test_every_detector_has_a_row_in_its_page(page: str, names: dict[str, object]) -> None:
    """The documentation lists what is supported, and nothing else."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    assert set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == set(names)


def test_every_step_is_in_the_page_and_in_a_case() -> None:
    """The documentation names the transformers that are supported, and each is tried above."""
    text = (Path(__file__).parents[2] / "docs" / "detectors-river.md").read_text()
    assert set(re.findall(r"^\* `(\w+)`: ", text, re.MULTILINE)) == set(RIVER_STEPS)
    assert all(any(f"-{name}-" in case.name for case in _CASES) for name in RIVER_STEPS)


def test_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error holds the command that installs it."""
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ConfigError, match=r"pip install 'pynomaly-streaming\[pyod\]'"):
        PyodSettings("KNN", {}, ("a",), _SCHEDULE)
