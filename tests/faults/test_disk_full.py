"""The disk of the state, or of an output, is full: the flow stops with one line, and goes on when there is room.

Needs a small disk of its own, which only root may mount.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from brokers.kafka_topics import until
from e2e.flow_file import Tree, write_flow
from e2e.job import Ended, Program
from e2e.size import FULL, size
from e2e.traffic import FIRST_MS
from e2e.verifier import durable_epoch
from fault_table import Figures
from pynomaly.application.tally import Tally
from pynomaly.bootstrap import services_of
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly_flows.live import LiveOptions, run_live

_DISK_BYTES: Final = 32_000_000
_RECORDS: Final = size(20_000, 400_000)
_WITHIN_S: Final = 10.0
_EPOCHS: Final = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(size(120, 600))]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(place)]
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run this test as root, which may mount: {mounted.stderr}")
        pytest.skip(f"mounting is not allowed here: {mounted.stderr}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(disk: Path) -> Path:
    """Leave not one byte free."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        for block in (1 << 20, 4_096, 1):
            with suppress(OSError):
                while True:
                    file.write(b"\0" * block)
    return filler


def _write_records(path: Path, first: int, count: int, series: int) -> None:
    with path.open("a") as file:
        for number in range(first, first + count):
            value = (number * 7919 % 1_000) / 10 + (300 if number % 997 == 0 else 0)
            file.write(f'{{"ts":{FIRST_MS + number},"series":"s{number % series}","value":{value}}}\n')


def _flow(folder: Path, outputs: str) -> Path:
    tree: Tree = {
        "flow": "full",
        "source": {"kind": "files", "path": "in.jsonl", "follow": True},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": [{"detector": "ew_zscore", "half_life": 20, "calibration": {"warm_up": 10}}],
        "alert": {"levels": {"watch": 1.0}},
        "output": {
            "alerts": {"kind": "file", "path": f"{outputs}/alerts.jsonl"},
            "outcomes": {"kind": "file", "path": f"{outputs}/outcomes.jsonl"},
            "outcomes_of": "all",
        },
        "checkpoint": {"every": "200ms", "share": 1},
    }
    return write_flow(folder / f"{outputs.replace('/', '-')}.yaml", tree)


def _stopped(ended: Ended, status: int) -> None:
    """Fail unless a process has told of it in one line and nothing else."""
    assert ended.code == status, ended.err
    assert ended.seconds < _WITHIN_S
    assert len(ended.complaints) == 1, ended.err
    assert not [word for word in ("panicked", "Traceback", "backtrace") if word in ended.err], ended.err


@pytest.mark.parametrize(
    ("what", "series", "state", "outputs", "status"),
    [
        ("recovery store", 20, "disk/state", "out", 69),
        pytest.param("side files", 1_000, "disk/state", "out", 69, marks=pytest.mark.skipif(not FULL, reason="long")),
        ("outputs", 20, "state", "disk/out", 75),
    ],
    ids=["store", "side-files", "outputs"],
)
def test_a_full_disk_stops_the_flow(
    small_disk: Path,
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[Figures], None],
    what: str,
    series: int,
    state: str,
    outputs: str,
    status: int,
) -> None:
    """One typed line within ten seconds; with room it goes on, and nothing is missing."""
    _write_records(tmp_path / "in.jsonl", 0, _RECORDS, series)
    flow = _flow(tmp_path, outputs)
    job = program.start("run", flow, "--state", state)
    until(lambda: (durable_epoch(tmp_path / state) or (0, 0))[1] > _EPOCHS, "some durable epochs", 60.0)
    filler = _fill(small_disk)
    _write_records(tmp_path / "in.jsonl", _RECORDS, _RECORDS, series)
    _stopped(job.wait(_WITHIN_S), status)
    if state.startswith("disk"):
        _stopped(program.run("run", flow, "--state", state, "--until-end"), status)
    filler.unlink()
    since = time.monotonic()
    program.run("run", flow, "--state", state, "--until-end").succeeded()
    seconds = time.monotonic() - since

    monkeypatch.chdir(tmp_path)
    truth = services_of(load_flow(_flow(tmp_path, "truth"), {}))
    run_live(truth, Tally(), LiveOptions(tmp_path / "state-truth", until_end=True))
    lost = repeated = 0
    for name in ("outcomes.jsonl", "alerts.jsonl"):
        found, expected = ((tmp_path / place / name).read_bytes().splitlines() for place in (outputs, "truth"))
        lost += len(set(expected) - set(found))
        repeated += len(found) - len(set(found))
        assert found == expected
    tell(Figures(10, f"disk full: {what}", 2 * _RECORDS, lost, repeated, recovery_s=seconds))
    assert len(expected) > 0
