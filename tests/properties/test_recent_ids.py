"""The compiled memory of ids against a plain one, over any ids, refusals, batches and restarts."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.domain.error import StateError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.recent_ids import RecentIds, mark_repeats
from pynomaly.domain.record import KeyColumn
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.infrastructure.kernels import KernelLibrary

_MARK = KernelLibrary.default().entry(mark_repeats)
_REFUSED = int(Reason.MALFORMED)

ids = st.one_of(st.binary(max_size=3), st.integers(0, 30).map(lambda n: f"id-{n:04d}".encode()))
records = st.tuples(ids, st.sampled_from([0, 0, 0, 0, _REFUSED]))
batches = st.lists(st.lists(records, max_size=40), max_size=8)


class _PlainMemory:
    """The rules of the module, one record at a time."""

    def __init__(self, horizon: int) -> None:
        self._held: deque[bytes] = deque(maxlen=horizon)

    def reason(self, identity: bytes, refusal: int) -> int:
        if identity and identity in self._held:
            return int(Reason.REPEATED_ID)
        if identity and refusal == 0:
            self._held.append(identity)
        return refusal


def _marked(memory: RecentIds, batch: list[tuple[bytes, int]]) -> list[int]:
    refusal = np.array([refusal for _, refusal in batch], np.uint8)
    memory.mark(KeyColumn.of([identity for identity, _ in batch]), refusal)
    return refusal.tolist()


@given(batches, st.integers(1, 50), st.booleans())
def test_repeats_are_those_of_the_plain_rules(
    given_batches: list[list[tuple[bytes, int]]],
    horizon: int,
    restarts: bool,  # noqa: FBT001
) -> None:
    """Whatever comes, wherever batches are cut and with a restart after each, the same rows are repeats."""
    memory, plain = RecentIds(horizon, _MARK), _PlainMemory(horizon)
    for batch in given_batches:
        assert _marked(memory, batch) == [plain.reason(*record) for record in batch]
        if restarts:
            restored = RecentIds(horizon, _MARK)
            restored.restore(unpack(pack(memory.snapshot())))
            assert pack(restored.snapshot()) == pack(memory.snapshot())
            memory = restored


def test_a_long_stream_is_judged_within_its_horizon() -> None:
    """Rings that wrap around many times, tables with many removals and ids of many lengths: no id lost or mistaken."""
    random = np.random.default_rng(4)
    memory, plain = RecentIds(3_000, _MARK), _PlainMemory(3_000)
    numbers = np.arange(60_000) - random.integers(0, 2, 60_000) * random.integers(0, 4_000, 60_000)
    stream = [(b"%d" % number * (1 + number % 5), 0) for number in numbers.tolist()]
    repeats = 0
    for start in range(0, len(stream), 1_777):
        batch = stream[start : start + 1_777]
        expected = [plain.reason(*record) for record in batch]
        assert _marked(memory, batch) == expected
        repeats += sum(reason != 0 for reason in expected)
    assert repeats > 10_000
    assert len(memory) == 3_000


def test_memory_stays_bounded() -> None:
    """After ten horizons of ids the state is as large as after one."""
    memory = RecentIds(1_000, _MARK)
    sizes: list[int] = []
    for first in range(0, 11_000, 1_000):
        _marked(memory, [(b"%08d" % number, 0) for number in range(first, first + 1_000)])
        sizes.append(len(pack(memory.snapshot())))
        assert len(memory) == 1_000
    assert len(set(sizes)) == 1


@pytest.mark.parametrize(
    ("header", "sections", "text"),
    [
        ({"horizon": 5}, {"ids": np.zeros(2, np.uint8), "length": np.array([2], np.uint16)}, "horizon 3, was 5"),
        ({"horizon": 3}, {"ids": np.zeros(2, np.uint8)}, "must be of horizon 3"),
        ({"horizon": 3}, {"ids": np.zeros(2, np.uint8), "length": np.array([9], np.uint16)}, "must be consistent"),
        ({"horizon": 3}, {"ids": np.zeros(4, np.uint8), "length": np.ones(4, np.uint16)}, "must be consistent"),
    ],
)
def test_state_that_does_not_fit_is_refused(
    header: dict[str, object], sections: dict[str, np.ndarray], text: str
) -> None:
    """Ids of another horizon, or damaged ones, are not taken over."""
    with pytest.raises(StateError, match=text):
        RecentIds(3, _MARK).restore(StateImage(header, sections))
