"""State that somebody has altered: it runs no code, and where the flow has a key not one altered byte is used.

CI: 6 random bits. ``E2E_SIZE=full``: 300.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from bytewax.recovery import init_db_dir

from e2e.size import size
from fault_table import Figures
from faults.saved_flow import (
    KEY,
    OTHER_KEY,
    SERIES,
    STEPS,
    STORE,
    Alerts,
    Exploit,
    SavedFlow,
    opened_store,
    put,
    put_row,
    rows,
)
from pynomaly.domain.error import PynomalyError, StateError
from pynomaly.domain.seal import SealKey
from pynomaly.domain.state import StateImage, pack
from pynomaly_connectors.memory import broker, reset_brokers
from pynomaly_flows.side_file import SideFile
from pynomaly_flows.state_folder import FlowIdentity, StateFolder

_FLIPS: Final = size(6, 300)
_DECIDES_NOTHING: Final = {"lock", "0-of-1"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedFlow:
    """A sealed state after half of the input."""
    reset_brokers()
    flow = SavedFlow(broker(), tmp_path_factory.mktemp("saved") / "state")
    flow.begin()
    return flow


@pytest.fixture(scope="module")
def truth(saved: SavedFlow, tmp_path_factory: pytest.TempPathFactory) -> Alerts:
    """What the second half alerts of when nobody has touched the state."""
    alerts = saved.run(saved.copy(tmp_path_factory.mktemp("truth") / "state"))
    assert len(alerts) > 20
    return alerts


@pytest.fixture(scope="module")
def unsealed(saved: SavedFlow, tmp_path_factory: pytest.TempPathFactory) -> SavedFlow:
    """The same flow with a state that is not sealed, at the end of the input."""
    flow = SavedFlow(saved.broker, tmp_path_factory.mktemp("unsealed") / "state", None, runs=1_000)
    flow.run(flow.state)
    return flow


def _identity(flow: SavedFlow) -> FlowIdentity:
    spec = flow.spec()
    return FlowIdentity(spec.flow, spec.fingerprint())


def _exchange(state: Path) -> None:
    (first, one), (second, other) = rows(state, "records")
    put(state, first, other)
    put(state, second, one)


def _exchange_engines(state: Path) -> None:
    (first, one), (second, other) = rows(state, "engine")
    put(state, first, other)
    put(state, second, one)


def _strip(state: Path) -> None:
    number, sealed = rows(state, "engine")[0]
    put(state, number, sealed.split(b"\n", 2)[2])


def _refer_elsewhere(state: Path) -> None:
    """Write another valid side file, and a valid reference to it that carries the seal of the old one."""
    number, sealed = rows(state, "engine")[0]
    head, place, _ = sealed.split(b"\n", 2)
    content = pack(StateImage({"forged": True}, {"rows": np.zeros(100_000)}))
    name = content[6:38].hex() + ".state"
    (state / "side" / name).write_bytes(content)
    put(state, number, b"\n".join((head, place, SideFile(name, len(content)).reference())))


def _replace_side_file(state: Path) -> None:
    first, second = sorted((state / "side").glob("*.state"))
    shutil.copy(second, first)


def _side_file(state: Path) -> Path:
    return min((state / "side").glob("*.state"))


def _flip_side_file(state: Path) -> None:
    path = _side_file(state)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _empty(state: Path) -> None:
    with opened_store(state) as store:
        store.execute("UPDATE snaps SET ser_change = NULL WHERE step_id LIKE '%.records'")


def _unsealed_identity(state: Path) -> None:
    file = state / "recovery" / "flow.json"
    file.write_bytes(file.read_bytes().split(b"\n", 2)[2])


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        (_exchange, "row records readings.*must be sealed for .*: it was moved here"),
        (_exchange_engines, "row engine .*must be sealed for .*: it was moved here"),
        (_strip, "row engine .*must carry a seal, carried none"),
        (_refer_elsewhere, "row engine .*seal must match the content"),
        (_replace_side_file, r"side file .*\.state must be there with|must be the one that the store refers to"),
        (_flip_side_file, r"side file .*\.state: state checksum must match"),
        (_empty, "must hold bytes only"),
        (_unsealed_identity, r"flow\.json: must carry a seal, carried none"),
    ],
    ids=["positions", "engines", "no-seal", "reference", "side-file", "flipped", "emptied", "identity"],
)
def test_what_was_altered_is_refused(
    saved: SavedFlow, tmp_path: Path, tamper: Callable[[Path], None], text: str
) -> None:
    """The complaint names the file or the row."""
    state = saved.copy(tmp_path / "state")
    tamper(state)
    saved.refused(state, text)


@pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "not-sealed"])
@pytest.mark.parametrize("step", ["records", "engine", "output-alerts"])
def test_a_crafted_row_runs_no_code(
    saved: SavedFlow, unsealed: SavedFlow, tmp_path: Path, key: str | None, step: str
) -> None:
    """With a key it is not even unpickled; without one the unpickler knows nothing but bytes."""
    flow = saved if key else unsealed
    state, canary = flow.copy(tmp_path / "state"), tmp_path / "canary"
    put_row(state, rows(state, step)[0][0], pickle.dumps(Exploit(canary)))
    flow.refused(state, "must hold bytes only")
    assert not canary.exists()


@pytest.mark.slow
def test_no_random_bit_is_believed(
    saved: SavedFlow, truth: Alerts, tmp_path: Path, tell: Callable[[Figures], None]
) -> None:
    """A start is refused with a typed error, or gives what it would have given: the bit meant nothing."""
    random = np.random.default_rng(11)
    refused = different = 0
    for number in range(_FLIPS):
        state = saved.copy(tmp_path / "state")
        files = sorted(path for path in state.rglob("*") if path.is_file() and path.name not in _DECIDES_NOTHING)
        file = files[number % len(files)]
        content = bytearray(file.read_bytes())
        bit = int(random.integers(8 * len(content)))
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        try:
            different += saved.run(state) != truth
        except PynomalyError:
            refused += 1
    note = f"{refused} refused, {_FLIPS - refused - different} without meaning"
    tell(Figures(12, "bit flipped in sealed state", SERIES * STEPS, different, 0, _FLIPS, note=note))
    assert different == 0
    assert refused > 0


def _newer_engine(state: Path) -> None:
    number, content = rows(state, "engine")[0]
    put(state, number, content[:4] + b"\2\0" + content[6:])


_DAMAGES: Final[dict[str, Callable[[Path], object]]] = {
    "store cut": lambda state: os.truncate(state / STORE, (state / STORE).stat().st_size // 2),
    "store empty": lambda state: os.truncate(state / STORE, 0),
    "store gone": lambda state: (state / STORE).unlink(),
    "store made anew": lambda state: init_db_dir(_emptied(state / "recovery"), 1),
    "positions gone": lambda state: _execute(state, "DELETE FROM snaps"),
    "epoch set back": lambda state: _execute(state, "UPDATE fronts SET worker_frontier = 1"),
    "engine of a newer version": _newer_engine,
    "side file cut": lambda state: os.truncate(_side_file(state), 1_000),
    "side file gone": lambda state: _side_file(state).unlink(),
    "owner gone": lambda state: (state / "recovery" / "flow.json").unlink(),
    "owner another": lambda state: (state / "recovery" / "flow.json").write_text(
        '{"flow":"other","fingerprint":"x","store":"y"}'
    ),
}


def _emptied(recovery: Path) -> Path:
    (recovery / STORE.name).unlink()
    return recovery


def _execute(state: Path, statement: str) -> None:
    with opened_store(state) as store:
        store.execute(statement)


@pytest.mark.slow
def test_a_damaged_state_never_starts_from_zero(
    unsealed: SavedFlow, tmp_path: Path, tell: Callable[[Figures], None]
) -> None:
    """Without a key, too: each is refused with the ways out, and nothing is alerted of."""
    for harm in _DAMAGES.values():
        state = unsealed.copy(tmp_path / "state")
        harm(state)
        unsealed.refused(state, r"--reset-state|written by a newer pynomaly")
    tell(Figures(11, "state cut, gone, foreign, newer", SERIES * STEPS, 0, 0, len(_DAMAGES), note="all refused"))


def test_keys_are_changed_without_a_gap(saved: SavedFlow, truth: Alerts, tmp_path: Path) -> None:
    """One start with both keys, and the old one is not needed any more."""
    state = saved.copy(tmp_path / "state")
    with pytest.raises(StateError, match=rf"sealed with a key that the flow names .*{SealKey.of(KEY.encode()).id}"):
        saved.run(state, OTHER_KEY)
    assert saved.run(state, OTHER_KEY, (KEY,)) == truth
    assert saved.run(state, OTHER_KEY) == {}
    saved.refused(state, rf"was with key {SealKey.of(OTHER_KEY.encode()).id}: name that one")


def test_state_from_before_the_key_is_adopted_by_name(unsealed: SavedFlow, tmp_path: Path) -> None:
    """Refused until somebody says so; then it goes on, and without the key it does not."""
    flow = unsealed
    state = flow.copy(tmp_path / "state")
    with pytest.raises(StateError, match=r"flow\.json: must carry a seal.*pynomaly state seal FLOW"):
        flow.run(state, KEY)
    StateFolder(state).adopt(_identity(flow), (SealKey.of(KEY.encode()),))
    assert flow.run(state, KEY) == {}
    flow.refused(state, "must carry no seal for a flow without `state.key`")
    assert (state / STORE).exists()
