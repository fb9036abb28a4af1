"""The program of a fit process: reads tasks from standard input, writes results to standard output.

It ends when its standard input does, even in the middle of a fit: a killed flow leaves no fit behind.
"""

from __future__ import annotations

import os
import queue
import random
import sys
import threading
from typing import IO

from pynomaly.infrastructure.adapted.frame import read_frame, write_frame
from pynomaly.infrastructure.processes.settled_heap import settle_heap


def main() -> None:
    """Fit until the other side hangs up."""
    settle_heap()  # the libraries come with the first task: a fifth of the time until then would be the collector's
    requests, replies = _take_over_pipes()
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_until_hang_up, args=(requests, tasks), daemon=True).start()
    while True:
        write_frame(replies, _fit(tasks.get()))


def _take_over_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the two pipes for messages alone: what a library prints would tear them."""
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, sys.stdin.fileno())
    os.dup2(nowhere, sys.stdout.fileno())
    return requests, replies


def _read_until_hang_up(requests: IO[bytes], tasks: queue.SimpleQueue[bytes]) -> None:
    while (data := read_frame(requests)) is not None:
        tasks.put(data)
    os._exit(0)


def _fit(data: bytes) -> bytes:
    import numpy as np  # noqa: PLC0415 - after the reader runs, so that no sender waits for the import
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    from pynomaly.infrastructure.adapted.fitting import FitTask, encode_result, fit  # noqa: PLC0415

    task = FitTask.decode(data)
    random.seed(task.seed)
    np.random.seed(task.seed)  # noqa: NPY002 - the generator that detectors without a parameter draw from
    with threadpool_limits(limits=1):
        return encode_result(fit(task))


if __name__ == "__main__":
    main()
