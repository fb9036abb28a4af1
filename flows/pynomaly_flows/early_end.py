"""End a process of a cluster that waits for the others: there is nothing to drain yet.

Bytewax connects to the other processes in the main thread, where no signal handler of Python can run meanwhile. The
interpreter notes a signal in a pipe all the same, and a thread of its own reads that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Thread


def end_unless_begun(has_begun: Callable[[], bool]) -> None:
    """Let any signal that is handled end this process at once with status 0, as long as ``has_begun`` says no.

    Call it from the main thread, once.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    Thread(target=_watch, args=(reading, has_begun), name="early-end", daemon=True).start()


def _watch(reading: int, has_begun: Callable[[], bool]) -> None:
    while os.read(reading, 1):
        if not has_begun():
            os._exit(os.EX_OK)
