"""End a process with its parent, however the parent ends: nobody is left running without a supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_LOOK_EVERY_S: Final = 0.5


def end_with_parent(parent: int) -> None:
    """Kill this process as soon as process ``parent``, which started it, is gone.

    On Linux the kernel does it, even if this process hangs; elsewhere a thread looks twice a second. Call it first of
    all, from the main thread.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    else:
        threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()
    if os.getppid() != parent:  # it was gone before anybody watched
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGKILL)
