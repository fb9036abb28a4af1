"""Stop on request: finish what was read, make it durable, exit 0.

Bytewax dies at once on SIGTERM and aborts without a snapshot on SIGINT. Here a signal only sets a flag; every source
partition then reports its end, the dataflow runs dry, and the last epoch is committed at the exact offset.

That may take as long as an output may be away. A second signal therefore ends the process as a kill does, which loses
nothing: the next start goes on from the last checkpoint.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_ONE_REQUEST_S: Final = 1.0  # launchers pass on what the terminal has sent already: that is no second request
_log = logging.getLogger(__name__)


class Drain:
    """A request to stop, that source partitions look at before each read.

    Parameters
    ----------
    is_last_word
        Whether a second signal ends the process; not where a supervisor sends the signals, and kills by itself.
    clock
        Monotonic seconds.
    """

    def __init__(self, *, is_last_word: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_last_word = is_last_word
        self._clock = clock
        self._signalled_s: float | None = None
        self._asked = Event()
        self._grown = Event()
        self._paused = Event()

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return self._asked.is_set() or self._grown.is_set() or self._paused.is_set()

    def request(self) -> None:
        """Ask to stop; a signal handler may call it."""
        self._asked.set()

    def request_reopening(self) -> None:
        """Ask to stop and to start again at once: the input has grown."""
        self._grown.set()

    def reopens(self) -> bool:
        """Return whether this was only to start again, and forget it; never when somebody asked to stop."""
        reopens = self._grown.is_set() and not self._asked.is_set()
        self._grown.clear()
        return reopens

    def pause(self) -> None:
        """Ask to stop and to go on at once around the same readers and engines.

        Checkpoints shall become rarer or more frequent, or the clock by which they come was set back.
        """
        self._paused.set()

    def resumes(self) -> bool:
        """Return whether this was only a pause, and forget it; never when there is another reason to stop."""
        resumes = self._paused.is_set() and not self._asked.is_set() and not self._grown.is_set()
        self._paused.clear()
        return resumes

    def install(self) -> None:
        """Let SIGTERM and SIGINT request the drain, for the rest of the process; call from the main thread."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    @contextmanager
    def on_signals(self) -> Generator[None]:
        """Let SIGTERM and SIGINT request the drain inside a block; call from the main thread."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.install()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.request()
        if self._signalled_s is None:
            self._signalled_s = self._clock()
            # In a thread: the signal may have come in the middle of another line of the log.
            Thread(target=_tell, args=(signal.Signals(number).name,), name="drain", daemon=True).start()
        elif self._is_last_word and self._clock() - self._signalled_s >= _ONE_REQUEST_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


def _tell(name: str) -> None:
    _log.info("flow_draining", extra={"signal": name})
