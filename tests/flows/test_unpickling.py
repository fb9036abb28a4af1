"""What lies in the recovery store runs no code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from pynomaly.domain.error import StateError
from pynomaly.domain.seal import SealKey, Seals
from pynomaly_flows.unpickling import cut_out_bytes, guarded_unpickling, pickled


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


_SEALS = Seals((SealKey.of(b"k" * 32),), ("pumps", "store"))


def test_with_a_key_only_sealed_bytes_come_through(tmp_path: Path) -> None:
    """What was put into the store after the doctor has looked is refused before it is unpickled."""
    sealed, canary = _SEALS.seal(b"state", "engine", "a"), tmp_path / "canary"
    with guarded_unpickling(_SEALS):
        assert pickle.loads(pickle.dumps(sealed)) == sealed
        with pytest.raises(StateError, match="row of the recovery store: must carry a seal, carried none"):
            pickle.loads(pickle.dumps(b"state"))
        with pytest.raises(StateError, match="must hold bytes only, held something else"):
            pickle.loads(pickle.dumps(_Exploit(canary)))
    assert not canary.exists()


@pytest.mark.parametrize("size", [0, 1, 255, 256, 70_000])
def test_bytes_are_cut_out_as_they_are_pickled(size: int) -> None:
    """Of every length, for each has a form of its own; and nothing before or behind them."""
    content = b"x" * size
    row = pickled(content)
    assert cut_out_bytes(row) == pickle.loads(row) == content
    for harmed in (row + b".", row[1:], row[:-1], b"", pickle.dumps(bytearray(content)), pickle.dumps((content,))):
        with pytest.raises(StateError, match="must hold bytes only"):
            cut_out_bytes(harmed)
