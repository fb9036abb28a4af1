"""A small flow over the in-memory broker whose state is saved, harmed and resumed; with a truth to compare it with."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from e2e.traffic import Traffic, spread
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.tally import Tally
from pynomaly.bootstrap import services_of
from pynomaly.domain.error import StateError
from pynomaly_connectors.memory import Broker
from pynomaly_flows.live import LiveOptions, run_live

KEY: Final = "first-key-of-the-state-0123456789abcdef"
OTHER_KEY: Final = "other-key-of-the-state-0123456789abcdef"
SERIES: Final = 1_000  # 500 in a partition: their state goes into a side file
STEPS: Final = 60
_HALF: Final = SERIES * STEPS // 2
TRAFFIC: Final = Traffic(SERIES, STEPS, 2, spread(100, range(STEPS // 2, STEPS), SERIES))
STORE: Final = Path("recovery") / "part-0.sqlite3"

Alerts = dict[str, bytes | None]


@dataclass(slots=True)
class SavedFlow:
    """A flow that has judged the first half of its input; each test goes on with a copy of its state.

    Parameters
    ----------
    broker
        Where it reads and alerts.
    state
        Its state after the first half.
    key
        Of its state; None: not sealed.
    """

    broker: Broker
    state: Path
    key: str | None = KEY
    runs: int = 0

    def begin(self) -> None:
        """Judge the first half."""
        self.broker.create_topic("readings", 2)
        self._append(0, _HALF)
        self.run(self.state)
        self._append(_HALF, 2 * _HALF)

    def _append(self, first: int, end: int) -> None:
        for number, record in enumerate(TRAFFIC.records()):
            if first <= number < end:
                self.broker.append("readings", record.value, record.key)

    def run(self, state: Path, key: str | None = "", earlier: tuple[str, ...] = ()) -> Alerts:
        """Go on from a state to the end; return the alerts by their ids. By default with the flow's own key."""
        self.runs += 1
        topic = f"alerts-{self.runs}"
        self.broker.create_topic(topic)
        run_live(
            services_of(self.spec(topic, self.key if key == "" else key, earlier)), Tally(), LiveOptions(state, True)
        )
        found: Alerts = {}
        for record in self.broker.records(topic):
            found[(dict(record.headers)["ce_id"] or b"").decode()] = record.value
        return found

    def spec(self, topic: str = "alerts", key: str | None = None, earlier: tuple[str, ...] = ()) -> FlowSpec:
        """Return the flow."""
        tree: dict[str, Any] = {
            "flow": "saved",
            "source": {"kind": "memory", "topic": "readings"},
            "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
            "detectors": [{"detector": "ew_zscore", "half_life": 4, "calibration": {"warm_up": 8}}],
            "alert": {"levels": {"watch": 0.8}, "bump": 0.1},
            "output": {"alerts": {"kind": "memory", "topic": topic}},
        }
        if key is not None:
            tree["state"] = {"key": key, "earlier_keys": list(earlier)}
        return FlowSpec.model_validate(tree)

    def copy(self, folder: Path) -> Path:
        """Return a copy of the state to be harmed."""
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(self.state, folder))

    def refused(self, state: Path, text: str) -> None:
        """Fail unless a start on a state is refused with a complaint."""
        with pytest.raises(StateError, match=text):
            self.run(state)


class Exploit:
    """Pickled it calls `Path.touch` of a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self._canary,)


@contextmanager
def opened_store(state: Path) -> Iterator[sqlite3.Connection]:
    """Open the recovery store of a state, and keep what is changed."""
    with closing(sqlite3.connect(state / STORE)) as store, store:
        yield store


def rows(state: Path, step: str) -> list[tuple[int, bytes]]:
    """Return the rows of a step with their content."""
    query = "SELECT rowid, ser_change FROM snaps WHERE step_id LIKE ? ORDER BY state_key"
    with opened_store(state) as store:
        return [(number, pickle.loads(row)) for number, row in store.execute(query, (f"%.{step}",))]


def put_row(state: Path, number: int, pickled: bytes) -> None:
    """Write a row as it stands in the store."""
    with opened_store(state) as store:
        store.execute("UPDATE snaps SET ser_change = ? WHERE rowid = ?", (pickled, number))


def put(state: Path, number: int, content: bytes) -> None:
    """Write the content of a row."""
    put_row(state, number, pickle.dumps(content))
