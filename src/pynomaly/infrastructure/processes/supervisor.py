"""Keep a fixed set of processes running, and stop them together.

Rules:

1. A process that ends with 0 and is over (`Watcher.is_over`) is done; the others go on. One that is not over was
   stopped by somebody else, alone: it is started again after the shortest wait.
2. One that fails is started again after a wait (`RestartPolicy`), unless its exit status says that a restart mends
   nothing, or it has failed too often in a row. Then all others are drained, and its status is the whole's.
3. SIGTERM and SIGINT drain all: each gets SIGTERM, and the deadline to end by itself. A second signal, or the deadline,
   kills what is left.
4. Nothing is left running, whatever happens here. (`end_with_parent` holds where even this process is killed.)

Processes have sessions of their own: Ctrl-C in a terminal reaches the supervisor only, and drains once.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from pynomaly.infrastructure.processes.restart import Failures, RestartPolicy

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_LONGEST_LINE_BYTES: Final = 16 * 2**20
_KILLED_BY: Final = 128  # plus the signal: the status of a killed process, as shells count


class MayMend(Protocol):
    """Tells failures that a restart may mend from those that it would repeat."""

    def __call__(self, code: int, *, again: bool) -> bool:
        """Judge an exit status."""
        ...


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running: its name and its command."""

    name: str
    command: Sequence[str]


class Watcher(Protocol):
    """Whoever wants to know what becomes of the processes; every method returns at once."""

    def started(self, name: str, pid: int) -> None:
        """Take note of a start."""
        ...

    def told(self, name: str, line: bytes) -> None:
        """Take a line that a process has written to its standard output, line end included."""
        ...

    def ended(self, name: str, status: int, restart_in_s: float | None) -> None:
        """Take note of an end, and when the process is started again; None: never."""
        ...

    def is_over(self, name: str) -> bool:
        """Say whether a process that has ended with 0 has nothing left to do, rather than that it was stopped."""
        ...

    def draining(self) -> None:
        """Take note that all are asked to end."""
        ...

    def killed(self, names: Sequence[str]) -> None:
        """Take note that these did not end in time, or that somebody would not wait for them."""
        ...


class Supervisor:
    """Runs processes once; see the rules of this module.

    Parameters
    ----------
    children
        What to run.
    watcher
        Told of everything.
    may_mend
        Whether a restart may mend what ended a process with this status (negative: the signal that killed it), given
        whether it was a restart that ended so.
    drain_s
        Time to end after being asked to [s].
    policy
        Waits and their bound.
    """

    def __init__(
        self,
        children: Sequence[Child],
        watcher: Watcher,
        may_mend: MayMend,
        drain_s: float,
        policy: RestartPolicy | None = None,
    ) -> None:
        self._children = children
        self._watcher = watcher
        self._may_mend = may_mend
        self._drain_s = drain_s
        self._policy = RestartPolicy() if policy is None else policy
        self._running: dict[str, Process] = {}
        self._stopping = asyncio.Event()
        self._status = os.EX_OK
        self._signals = 0

    async def run(self) -> int:
        """Run until all are done or were stopped; return 0, or the status that an operator should see."""
        with self._on_signals():
            deadline = asyncio.create_task(self._kill_in_time())
            kept_up = [asyncio.create_task(self._keep_up(child)) for child in self._children]
            try:
                await asyncio.gather(*kept_up)
            finally:
                deadline.cancel()
                self._stopping.set()
                self._kill()
                await asyncio.gather(*kept_up, return_exceptions=True)
        return self._status

    async def _keep_up(self, child: Child) -> None:
        failures, now = Failures(self._policy, random.random), asyncio.get_running_loop().time
        while not self._stopping.is_set():
            since_s = now()
            status = await self._run_once(child)
            wait_s = self._wait_s(child, status, failures, now() - since_s)
            self._watcher.ended(child.name, status, wait_s)
            if wait_s is None:
                self._judge_last(status)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    def _wait_s(self, child: Child, status: int, failures: Failures, ran_s: float) -> float | None:
        """Return the wait before a process that has ended is started again [s]; None: it is not."""
        if self._stopping.is_set():
            return None
        if status == os.EX_OK:
            return None if self._watcher.is_over(child.name) else self._policy.first_s
        return failures.wait_s(ran_s) if self._may_mend(status, again=failures.any) else None

    async def _run_once(self, child: Child) -> int:
        process = await create_subprocess_exec(
            *child.command, stdin=DEVNULL, stdout=PIPE, limit=_LONGEST_LINE_BYTES, start_new_session=True
        )
        self._running[child.name] = process
        try:
            if self._stopping.is_set():
                _send(process, signal.SIGTERM)
            self._watcher.started(child.name, process.pid)
            await self._listen(child.name, process)
        except BaseException:
            _send(process, signal.SIGKILL)
            raise
        finally:
            status = await process.wait()
            del self._running[child.name]
        return status

    async def _listen(self, name: str, process: Process) -> None:
        """Hand on what a process writes, until it ends."""
        if process.stdout is not None:
            async for line in process.stdout:
                self._watcher.told(name, line)

    def _judge_last(self, status: int) -> None:
        """Take an end after which nothing is started again; the first failure decides about the status of all."""
        unbegun = self._stopping.is_set() and status == -signal.SIGTERM  # before it could drain, it had nothing to
        if status == os.EX_OK or unbegun:
            return
        self._status = self._status or (status if status > 0 else _KILLED_BY - status)
        self._drain()

    def _drain(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            self._watcher.draining()
            for process in self._running.values():
                _send(process, signal.SIGTERM)

    def _on_signal(self) -> None:
        self._signals += 1
        if self._signals == 1:
            self._drain()
        else:
            self._kill()

    async def _kill_in_time(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self._drain_s)
        self._kill()

    def _kill(self) -> None:
        if self._running:
            self._watcher.killed(tuple(self._running))
        for process in self._running.values():
            _send(process, signal.SIGKILL)

    @contextmanager
    def _on_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def _send(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
