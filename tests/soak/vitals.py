"""What a process holds, over time: descriptors, threads and memory must level off."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from threading import Event, Thread
from typing import Final, Self

import psutil

_EVERY_S: Final = 1.0
_MIB: Final = 1 << 20
LEAST_SAMPLES: Final = 120
#: What may come on top after the first two fifths of a run: connections come and go with the broker.
MOST_DESCRIPTORS: Final = 8
MOST_THREADS: Final = 3
MOST_BYTES: Final = 32 * _MIB


@dataclass(slots=True)
class Vitals:
    """Samples of one process, every second, for the length of a block."""

    pid: int
    descriptors: list[int] = field(default_factory=list[int])
    threads: list[int] = field(default_factory=list[int])
    resident: list[int] = field(default_factory=list[int])
    _over: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._sample, name="vitals", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def assert_level(self) -> str:
        """Fail where the process grew; return how much it did. In less than `LEAST_SAMPLES` nothing levels off."""
        grown = [_growth(samples) for samples in (self.descriptors, self.threads, self.resident)]
        descriptors, threads, resident = grown
        told = f"descriptors {descriptors:+d}, threads {threads:+d}, RSS {resident / _MIB:+.1f} MiB"
        if len(self.resident) < LEAST_SAMPLES:
            return f"{told} while warming up"
        assert descriptors <= MOST_DESCRIPTORS, told
        assert threads <= MOST_THREADS, told
        assert resident <= MOST_BYTES, told
        return told

    def _sample(self) -> None:
        process = psutil.Process(self.pid)
        while not self._over.wait(_EVERY_S):
            try:
                with process.oneshot():
                    self.descriptors.append(process.num_fds())
                    self.threads.append(process.num_threads())
                    self.resident.append(process.memory_info().rss)
            except psutil.NoSuchProcess:
                return


def _growth(samples: list[int]) -> int:
    """Return by how much the last fifth lies above the second one; the first is warming up."""
    fifth = max(1, len(samples) // 5)
    return round(median(samples[-fifth:]) - median(samples[fifth : 2 * fifth] or samples))
