"""Python's garbage collector on the hot path: what the start has built is not garbage and need not be looked at."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_READ_OBJECTS: Final = 100_000  # about ten reads of the largest default size


def settle_heap() -> None:
    """Keep the collector away from everything that exists now, and from single reads.

    A read makes thousands of message objects that the collector tracks and that need it not: they are in no cycle.
    Every few hundred of them it would walk them all, and now and then the modules, classes and machine code of the
    whole program. That took a third of the CPU time of a flow.
    """
    gc.freeze()
    gc.set_threshold(_READ_OBJECTS, *gc.get_threshold()[1:])


@contextmanager
def settled_heap() -> Generator[None]:
    """Settle the heap for the length of a block."""
    thresholds = gc.get_threshold()
    settle_heap()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
