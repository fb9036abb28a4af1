"""When a process that failed is started again: soon at first, later and later, and not for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Exponential back-off with jitter and a bound.

    Parameters
    ----------
    most_in_a_row
        Failures after which the process is given up; the next one is final.
    first_s, longest_s
        Wait before the first restart and the longest wait [s]; each is twice the one before.
    settled_s
        A process that ran that long was well: its failures are counted from 0 again [s].
    """

    most_in_a_row: int = 5
    first_s: float = 0.5
    longest_s: float = 30.0
    settled_s: float = 60.0

    def wait_s(self, failures: int, chance: float) -> float:
        """Return the wait after the given failure in a row, counted from 1 [s].

        ``chance`` in [0, 1) takes up to half of it away, so that processes which fell together do not rise together.
        """
        longest = min(self.longest_s, self.first_s * 2.0 ** (failures - 1))
        return float(longest * (1.0 - chance / 2))


class Failures:
    """Failures of one process in a row.

    Parameters
    ----------
    policy
        What they lead to.
    random
        Returns a number in [0, 1); decides about the jitter only.
    """

    def __init__(self, policy: RestartPolicy, random: Callable[[], float]) -> None:
        self._policy = policy
        self._random = random
        self._in_a_row = 0

    @property
    def any(self) -> bool:
        """Whether there was one before."""
        return self._in_a_row > 0

    def wait_s(self, ran_s: float) -> float | None:
        """Take note of one more, after ``ran_s`` seconds; return the wait before the restart [s], None to give up."""
        self._in_a_row = 1 if ran_s >= self._policy.settled_s else self._in_a_row + 1
        if self._in_a_row > self._policy.most_in_a_row:
            return None
        return self._policy.wait_s(self._in_a_row, self._random())
