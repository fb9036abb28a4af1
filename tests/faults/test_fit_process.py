"""The process that fits: equal results in every process, and what happens when it dies, hangs or is orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from pynomaly.domain.adapted import AcceptedRows, PartContext
from pynomaly.domain.error import TransientError
from pynomaly.domain.event import Event, ModelRefitFailed, ModelRefitted
from pynomaly.domain.record import Float64Matrix, Stream
from pynomaly.domain.state import pack, unpack
from pynomaly.infrastructure.adapted import PyodPart
from pynomaly.infrastructure.adapted.fit_process import FitProcess, SharedFitProcess
from pynomaly.infrastructure.adapted.fitting import Fits, FitTask, FittedModel
from pynomaly.infrastructure.adapted.pyod_part import PyodSettings
from pynomaly.infrastructure.adapted.refit_schedule import RefitSchedule

_SCHEDULE = RefitSchedule(window=30, refit_every=20, adopt_after=10)
_CONTEXT = PartContext("flow", Stream("topic"), "part")
_SEEDED = ["ECOD", "IForest", "KNN", "Sampling"]


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedFitProcess]:
    """One process for the tests that leave it alive."""
    pool = SharedFitProcess()
    keeper = pool.lease()
    yield pool
    keeper.close()


def _rows(count: int, seed: int = 0) -> Float64Matrix:
    return np.random.default_rng(seed).normal(size=(count, 2))


def _accepted(values: Float64Matrix, start: int, stop: int) -> AcceptedRows:
    number = np.arange(start, stop)
    return AcceptedRows(number, number, np.zeros(len(number), np.int64), values[start:stop], ["0"] * len(number))


def _part(fits: Fits, detector: str = "IForest", **params: object) -> PyodPart:
    settings = PyodSettings(detector, params, ("a", "b"), _SCHEDULE)
    return PyodPart(_CONTEXT, settings, fits)


def _run(part: PyodPart, values: Float64Matrix, start: int, stop: int) -> tuple[NDArray[np.float64], tuple[Event, ...]]:
    return part.process(_accepted(values, start, stop))


def test_equal_tasks_have_equal_models_in_every_process(shared: SharedFitProcess) -> None:
    """Two processes fit the same content from the same task; another seed or window gives another one."""
    tasks = [FitTask(name, {}, 5, _rows(60)) for name in _SEEDED]
    tasks += [FitTask("IForest", {}, 6, _rows(60)), FitTask("IForest", {}, 5, _rows(60, seed=1))]
    other = FitProcess()
    try:
        here, there = ([fits.submit(task) for task in tasks] for fits in (shared.lease(), other))
        pairs = [(one.result(120), two.result(120)) for one, two in zip(here, there, strict=True)]
    finally:
        other.close()
    models = [(one, two) for one, two in pairs if isinstance(one, FittedModel) and isinstance(two, FittedModel)]
    assert len(models) == len(tasks)
    assert all(one.content == two.content and one.scale == two.scale for one, two in models)
    assert len({one.content for one, _ in models}) == len(tasks)


def test_restart_during_a_pending_fit_is_exact(shared: SharedFitProcess) -> None:
    """A part whose process is killed while it fits requests the same fit after the restart, and goes on exactly."""
    values = _rows(100)
    whole, events = _run(_part(shared.lease(), n_estimators=5), values, 0, 100)
    assert [event.offset for event in events] == [39, 59, 79, 99]
    assert all(isinstance(event, ModelRefitted) for event in events)

    first = _part(FitProcess(), n_estimators=5)
    before, _ = _run(first, values, 0, 33)  # requested at 30, to be adopted at 39
    state = pack(first.snapshot())
    first.close()
    second = _part(shared.lease(), n_estimators=5)
    second.restore(unpack(state))
    after, happened = _run(second, values, 33, 100)
    np.testing.assert_array_equal(np.concatenate([before, after]), whole)
    assert happened == events


def test_failing_fit_keeps_the_old_model_and_repeats(shared: SharedFitProcess) -> None:
    """A window that a detector cannot learn leaves the old model; the failure stands at the adoption, every time."""
    values = _rows(80)
    values[20:50] = 1.0  # just what the second fit sees
    runs = [_run(_part(shared.lease(), "KNN"), values, 0, 80) for _ in range(2)]
    (scores, events), (again, repeated) = runs
    np.testing.assert_array_equal(scores, again)
    assert events == repeated
    assert [(type(event), event.offset) for event in events] == [
        (ModelRefitted, 39),
        (ModelRefitFailed, 59),
        (ModelRefitted, 79),
    ]
    failed = events[1]
    assert isinstance(failed, ModelRefitFailed)
    assert failed.error == "ValueError: scores of the training window must differ, was 0.0 throughout"
    assert np.isfinite(scores[39:]).all()


def test_dead_process_is_a_transient_error() -> None:
    """When the process is killed the part stops at the adoption, saying that a restart resumes."""
    fits = FitProcess()
    part = _part(fits)
    values = _rows(100)
    _run(part, values, 0, 35)
    assert fits.pid is not None
    os.kill(fits.pid, signal.SIGKILL)
    with pytest.raises(TransientError, match=r"exit code -9.*a restart resumes exactly"):
        _run(part, values, 35, 100)
    part.close()


def test_hung_fit_is_a_transient_error() -> None:
    """A fit that does not end is killed after its time; the part stops at the record that needs it, not before."""
    fits = FitProcess(fit_timeout_s=0.1)
    part = _part(fits, n_estimators=1_000_000)
    values = _rows(100)
    scores, _ = _run(part, values, 0, 39)
    assert np.isnan(scores).all()
    with pytest.raises(TransientError, match=r"fit of IForest on 30 records must end within 0.1 s.*resumes exactly"):
        _run(part, values, 39, 100)
    with pytest.raises(TransientError):
        fits.submit(FitTask("PCA", {}, 1, values)).result(60)
    part.close()


def test_last_lease_ends_the_process() -> None:
    """Parts share one process; it goes with the last of them, and closing twice does no harm."""
    pool = SharedFitProcess()
    one, two = pool.lease(), pool.lease()
    task = FitTask("PCA", {}, 1, _rows(30))
    before = set(psutil.Process().children())
    one.submit(task)
    (child,) = set(psutil.Process().children()) - before
    one.close()
    one.close()
    assert isinstance(two.submit(task).result(120), FittedModel)
    two.close()
    assert not child.is_running()


_ORPHAN = """
import numpy as np
from pynomaly.infrastructure.adapted.fit_process import FitProcess
from pynomaly.infrastructure.adapted.fitting import FitTask
fits = FitProcess()
fits.submit(FitTask("IForest", {"n_estimators": 1_000_000}, 1, np.random.default_rng(0).normal(size=(1000, 2))))
print(fits.pid, flush=True)
input()
"""


def test_killed_flow_leaves_no_fit_behind() -> None:
    """When the flow is killed its fit process ends, even in the middle of an endless fit."""
    flow = subprocess.Popen([sys.executable, "-c", _ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with flow:
        assert flow.stdout is not None
        fit = psutil.Process(int(flow.stdout.readline()))
        flow.kill()
    deadline = time.monotonic() + 60.0
    while fit.is_running() and fit.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not fit.is_running() or fit.status() == psutil.STATUS_ZOMBIE
