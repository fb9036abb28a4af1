"""Calls to detectors of other libraries that do not return.

Python cannot take a call back. A slow one is waited for, and changes nothing but the time; one that does not return
within a bound ends the process as a kill would, after a line that says where: a restart resumes exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from typing import Final
from weakref import WeakValueDictionary

from pynomaly.domain.adapted import PartContext
from pynomaly.domain.error import TransientError

#: How long one call of a detector may take [s]: the slowest of the catalogue needs 50 ms a record.
CALL_TIMEOUT_S: Final = 60.0
_LOOKS: Final = 4


class Calls:
    """Counts the calls of one part, as the part tells it: before each and after; cheap enough for each (50 ns)."""

    def __init__(self, context: PartContext) -> None:
        self.context = context
        self.begun = 0
        self.ended = 0


class CallLedger:
    """The calls of all parts of a flow, for whoever watches them."""

    def __init__(self) -> None:
        self._parts: WeakValueDictionary[int, Calls] = WeakValueDictionary()
        self._numbers = count()

    def open(self, context: PartContext) -> Calls:
        """Begin to count for a part; its calls are forgotten with it."""
        calls = Calls(context)
        self._parts[next(self._numbers)] = calls
        return calls

    @contextmanager
    def watched(self, end: Callable[[TransientError], None], timeout_s: float = CALL_TIMEOUT_S) -> Generator[None]:
        """Call ``end`` from a thread of its own if a call takes longer than ``timeout_s``, for the length of a block.

        A call that holds the interpreter's lock all the time stops the watch as well; then it is the health endpoint
        that does not answer any more.
        """
        over = Event()
        watch = Thread(target=self._watch, args=(over, end, timeout_s), name="pynomaly-calls", daemon=True)
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()

    def _watch(self, over: Event, end: Callable[[TransientError], None], timeout_s: float) -> None:
        looks: dict[tuple[Calls, int], int] = {}  # how often each call was seen that is out
        while not over.wait(timeout_s / _LOOKS):
            looks = {call: looks.get(call, -1) + 1 for call in self._out()}
            hung = next((calls for (calls, _), times in looks.items() if times >= _LOOKS), None)
            if hung is not None:
                end(_hung(hung.context, timeout_s))
                return

    def _out(self) -> list[tuple[Calls, int]]:
        parts = [calls for ref in self._parts.valuerefs() if (calls := ref()) is not None]
        return [(calls, calls.begun) for calls in parts if calls.begun != calls.ended]


def _hung(context: PartContext, timeout_s: float) -> TransientError:
    return TransientError(
        f"detector {context.part} on {context.stream} must answer within {timeout_s:g} s, was still at one record: "
        "a restart resumes exactly, and asks it the same again; where it hangs again, take it out of the flow or "
        "give it other parameters"
    )
