"""A process that fits models while the flow goes on."""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import IO, Final, cast

from pynomaly.domain.error import TransientError
from pynomaly.infrastructure.adapted.fitting import FitResult, Fits, FitTask, decode_result
from pynomaly.infrastructure.adapted.frame import read_frame, write_frame

#: How long one fit may take [s].
FIT_TIMEOUT_S: Final = 300.0

# One thread for every numerical library, and one order for Python's sets: a fit has one result on one CPU target.
_PINNED = {
    "BLIS_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "VECLIB_MAXIMUM_THREADS": "1",
}


class FitProcess:
    """`Fits` in one spawned process, one fit after the other, in the order of `submit`.

    A program of its own rather than `multiprocessing`: nothing is forked under the threads of Kafka and Timely, the
    flow's main module is not run again, the environment is pinned before any library loads, and no pickle is read
    on either side. It starts with the first task (some seconds until its libraries are loaded, about 300 MB).

    Parameters
    ----------
    fit_timeout_s
        How long one fit may take, the start of the process included [s]; then the process is killed.
    """

    def __init__(self, fit_timeout_s: float = FIT_TIMEOUT_S) -> None:
        self._fit_timeout_s = fit_timeout_s
        self._tasks: queue.SimpleQueue[tuple[FitTask, Future[FitResult]] | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._serve, name="pynomaly-fits", daemon=True)

    @property
    def pid(self) -> int | None:
        """Number of the process, None before the first task and after `close`."""
        return None if self._process is None else self._process.pid

    def submit(self, task: FitTask) -> Future[FitResult]:
        """Queue a fit; never blocks. The future raises TransientError when the process dies or hangs.

        A fit that is cancelled before its turn is skipped.
        """
        if self._process is None:
            self._process = _spawn()
            self._thread.start()
        future: Future[FitResult] = Future()
        self._tasks.put((task, future))
        return future

    def close(self) -> None:
        """Kill the process, running fit or not, and wait until it is gone; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        self._tasks.put(None)
        self._thread.join()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                cast("IO[bytes]", pipe).close()
        process.wait()

    def _serve(self) -> None:
        process = cast("subprocess.Popen[bytes]", self._process)
        while (item := self._tasks.get()) is not None:
            task, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(_exchange(process, task, self._fit_timeout_s))
            except Exception as error:  # noqa: BLE001 - raised again where the result is awaited
                future.set_exception(error)


class SharedFitProcess:
    """One `FitProcess` for a part on all streams of this process: it weighs too much for one each.

    It lives from the first lease to the last `close`.
    """

    def __init__(self, fit_timeout_s: float = FIT_TIMEOUT_S) -> None:
        self._fit_timeout_s = fit_timeout_s
        self._lock = threading.Lock()
        self._fits = FitProcess(fit_timeout_s)
        self._leases = 0

    def lease(self) -> Fits:
        """Return a handle on the process; closing the last one ends it."""
        with self._lock:
            if self._leases == 0:
                self._fits = FitProcess(self._fit_timeout_s)
            self._leases += 1
            return _Lease(self._fits, self._give_back)

    def _give_back(self) -> None:
        with self._lock:
            self._leases -= 1
            if self._leases == 0:
                self._fits.close()


class _Lease:
    def __init__(self, fits: FitProcess, give_back: Callable[[], None]) -> None:
        self._fits = fits
        self._give_back = give_back
        self._closed = False

    def submit(self, task: FitTask) -> Future[FitResult]:
        return self._fits.submit(task)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._give_back()


def _spawn() -> subprocess.Popen[bytes]:
    environment = {**os.environ, **_PINNED, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "pynomaly.infrastructure.adapted.fit_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the flow, which then closes its pipes
    )


def _exchange(process: subprocess.Popen[bytes], task: FitTask, timeout_s: float) -> FitResult:
    requests, replies = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    reply = None
    with contextlib.suppress(BrokenPipeError):
        write_frame(requests, task.encode())
        _await_reply(process, replies, task, timeout_s)
        reply = read_frame(replies)
    if reply is None:
        raise TransientError(
            f"{_described(task)} must return, was cut off when its process ended (exit code {process.wait()}): "
            "look for a lack of memory; a restart resumes exactly"
        )
    return decode_result(reply)


def _await_reply(process: subprocess.Popen[bytes], replies: IO[bytes], task: FitTask, timeout_s: float) -> None:
    # One task is out at a time, so nothing can wait in the buffer of the pipe where a selector does not look.
    with selectors.DefaultSelector() as selector:
        selector.register(replies, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            process.kill()
            raise TransientError(
                f"{_described(task)} must end within {timeout_s:g} s, was still running: make the window smaller or "
                "choose a cheaper detector; a restart resumes exactly"
            )


def _described(task: FitTask) -> str:
    return f"fit of {task.detector} on {len(task.rows)} records"
