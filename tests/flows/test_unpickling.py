"""What lies in the recovery store runs no code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from pynomaly.domain.error import StateError
from pynomaly_flows.unpickling import guarded_unpickling


class _Exploit:
    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self._canary}",)


def test_bytes_come_through() -> None:
    """Our own snapshots are plain bytes."""
    with guarded_unpickling():
        assert pickle.loads(pickle.dumps(b"state")) == b"state"


def test_an_exploit_is_refused_and_not_run(tmp_path: Path) -> None:
    """A row that names a function stops the start; the function is never called."""
    canary = tmp_path / "canary"
    with guarded_unpickling(), pytest.raises(StateError, match=r"must hold bytes only, named \w+\.system"):
        pickle.loads(pickle.dumps(_Exploit(canary)))
    assert not canary.exists()


def test_plain_values_that_are_not_bytes_are_refused() -> None:
    """Whatever we did not write is not ours."""
    with guarded_unpickling(), pytest.raises(StateError, match="must hold bytes only, held dict"):
        pickle.loads(pickle.dumps({"offset": 1}))


def test_the_guard_ends_with_its_block() -> None:
    """Other users of pickle in the process get their function back."""
    before = pickle.loads
    with guarded_unpickling():
        assert pickle.loads is not before
    assert pickle.loads is before
