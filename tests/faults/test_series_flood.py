"""More series than memory: the limit holds, whatever comes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from commands.program import COMMAND
from e2e.size import FULL
from fault_table import Figures
from faults.series_flood import BATCH, Flood
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.domain.series import INDEX_BYTES

_MEBIBYTE: Final = 1 << 20
_CAP_BYTES: Final = 512 * _MEBIBYTE
_KEYS: Final = 100_000
_SECONDS: Final = 120


def _capped() -> None:
    # The heap and all other private writable memory, of which a series takes; not the machine code of libraries.
    resource.setrlimit(resource.RLIMIT_DATA, (_CAP_BYTES, _CAP_BYTES))


def _run(folder: Path, limits: dict[str, object], before: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    tree = {
        "flow": "flood",
        "source": {"kind": "files", "path": "in.csv"},
        "record": {"time": {"field": "ts", "format": "s"}, "series": ["series"], "values": ["value"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "file", "path": "alerts.jsonl"}},
        "limits": limits,
    }
    (folder / "flow.yaml").write_text(yaml.safe_dump(tree))
    command = [*COMMAND, "run", "flow.yaml", "--state", "state", "--reset-state", "--json"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False, preexec_fn=before
    )


def test_a_hundred_thousand_keys_under_a_cap_of_memory(tmp_path: Path, tell: Callable[[Figures], None]) -> None:
    """Within 512 MiB the flow holds the series that it may, counts and tells of the others, and ends well."""
    lines = (f"{1_700_000_000 + number // 10},host-{number:06d},{number % 7}\n" for number in range(_KEYS))
    (tmp_path / "in.csv").write_text("ts,series,value\n" + "".join(lines))
    limit = 20_000
    ended = _run(tmp_path, {"series": limit}, _capped)
    assert ended.returncode == 0, ended.stderr[-2000:]
    report = json.loads(ended.stdout)
    assert report["records"] == _KEYS
    assert report["series"] == limit
    assert report["evicted"] == {"displaced": _KEYS - limit}
    told = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert {event["type"] for event in told} == {"io.pynomaly.series.evicted.v1"}
    first = told[0]["data"]
    assert first["examples"] == [f"host-{number:06d}" for number in range(20)]
    # Sweeps come after 8,192 records or as many as there are series: at 8,192, 16,384, 32,768, 52,768, 72,768, 92,768.
    assert [event["data"]["stream"]["offset"] for event in told] == [32_768, 52_768, 72_768, 92_768]
    assert sum(event["data"]["displaced"] for event in told) == 92_768 - limit
    note = f"512 MiB, {limit:,} series held, {_KEYS - limit:,} evicted"
    tell(Figures(30, "100,000 keys", _KEYS, _KEYS - report["records"], 0, note=note))
    if FULL:  # without a limit the cap is hit: it is real
        assert _run(tmp_path, {"series": 1_000_000}, _capped).returncode != 0


def test_a_million_series_through_room_for_a_hundred_thousand() -> None:
    """Every series beyond the limit displaces one; memory is as documented, and does not grow with them."""
    limit, records = 100_000, 1_000_000
    command = [sys.executable, "-m", "faults.series_flood", str(records), str(limit)]
    tests = Path(__file__).parents[1]
    output = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout
    seen: Any = json.loads(output)
    measured = Flood(**seen)
    sys.stdout.write(f"{measured}\n")
    assert (measured.live, measured.displaced) == (limit, records - limit)
    scoring = ScoringPlan(("value",), (Part("z", NativeSource(EW_ZSCORE, EwZScoreOptions()), (0,)),))
    documented = Scoring(scoring, lambda *_: None).bytes_per_series + INDEX_BYTES + 2 * len("host-0000000")
    room = (limit + BATCH) * documented  # all that the limit lets in, and one batch that replaces others
    assert measured.grown_bytes <= 1.25 * room
    assert measured.grown_bytes <= measured.half_way_bytes + 0.02 * room
