"""`pynomaly run --shards`: what an operator reads, watches and stops."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from brokers.kafka_topics import until
from commands.program import pynomaly, running
from pynomaly_flows.folder_lock import hold

_FLOW = """
flow: pumps
source: {{kind: files, path: "in/*.csv", follow: {follow}}}
record: {{time: {{field: time, format: s}}, values: [value]}}
detectors: [ew_zscore]
output: {{alerts: {{kind: file, path: alerts.jsonl}}}}
checkpoint: {{every: 100ms}}
"""
_FILES = ("north", "south", "east", "west")
_AT_ONCE_S = 2.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files with an anomaly each; their checksums give both shards some of them."""
    (tmp_path / "in").mkdir()
    for name in _FILES:
        rows = [f"{1_700_000_000 + 60 * row},{20 + row % 5}" for row in range(400)]
        (tmp_path / "in" / f"{name}.csv").write_text("\n".join(["time,value", *rows, "1700024000,900", ""]))
    (tmp_path / "flow.yaml").write_text(_FLOW.format(follow="false"))
    (tmp_path / "following.yaml").write_text(_FLOW.format(follow="true"))
    return tmp_path


def _ids(*files: Path) -> list[str]:
    return sorted(json.loads(line)["id"] for file in files for line in file.read_text().splitlines())


def test_the_summary_is_of_all_shards(folder: Path) -> None:
    """Counts add up, alerts are those of one process, and another number of shards is refused."""
    ended = pynomaly("run", "flow.yaml", "--shards", "2", "--json", folder=folder)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["records"], sum(told["alerts"].values()), told["alerts_in_file"]) == (4 * 401, 4, 4)
    assert (told["shards"], told["restarts"], told["resumed_from"], told["series"]) == (2, 0, None, 4)
    shards = [folder / f"alerts.shard-{number}-of-2.jsonl" for number in range(2)]
    assert told["alerts_to"] == [file.name for file in shards]
    # A slow start is remarked upon in plain words between the lines of the log.
    logged = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    assert {line["shard"] for line in logged if line["event"] == "flow_starting"} == {"0/2", "1/2"}

    assert pynomaly("run", "flow.yaml", "--state", "whole", folder=folder).returncode == 0
    assert _ids(*shards) == _ids(folder / "alerts.jsonl")
    refused = pynomaly("run", "flow.yaml", "--shards", "3", folder=folder)
    assert refused.returncode == 65
    assert "error: state folder state/pumps must be run with --shards 2" in refused.stderr


def test_shards_are_watched_and_drained_as_one(folder: Path) -> None:
    """One address has the metrics of both and is healthy when both are; SIGTERM ends all with 0 and one summary."""
    with running("run", "following.yaml", "--shards", "2", "--metrics", "127.0.0.1:0", folder=folder) as process:
        url = _metrics_url(process)
        until(lambda: _get(f"{url}/healthz") != "", "both shards are well", 90.0)
        until(lambda: _get(f"{url}/ready") != "", "both shards are ready", 90.0)
        until(lambda: _read(_get(f"{url}/metrics")) == 4 * 401, "all records are read", 90.0)
        page = _get(f"{url}/metrics")
        process.send_signal(signal.SIGTERM)
        told, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    for shard in ("0/2", "1/2"):
        assert f'pynomaly_shard_up{{flow="pumps",shard="{shard}"}} 1.0' in page
        assert f'process_open_fds{{shard="{shard}"}}' in page
    assert " ".join(told.split()).startswith("pumps: 1,604 records in ")


def _metrics_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if '"metrics_served"' in line:
            return str(json.loads(line)["url"]).removesuffix("/metrics")
    raise AssertionError("the address must be logged")


def _get(url: str) -> str:
    """Return what is served there; nothing while it answers with an error."""
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            return str(answer.read().decode())
    except HTTPError as refused:
        refused.close()
        return ""


def _read(page: str) -> float:
    """Return the records that a page of metrics counts."""
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("pynomaly_records_total"))


def test_a_failure_that_a_restart_repeats_ends_with_its_status(folder: Path) -> None:
    """Both shards find no input; nothing is started again, and the line says which shard."""
    for file in (folder / "in").iterdir():
        file.unlink()
    ended = pynomaly("run", "flow.yaml", "--shards", "2", folder=folder)
    assert ended.returncode == 66
    assert "error: shard " in ended.stderr
    assert "path must match at least one file" in ended.stderr
    assert '"restart_in_s": null' in ended.stderr


@pytest.mark.parametrize("arguments", [(), ("--shards", "2"), ("--shard", "0/2")])
def test_a_second_instance_is_refused_at_once(folder: Path, arguments: tuple[str, ...]) -> None:
    """Before anything heavy is loaded; the first one goes on undisturbed."""
    with hold(folder / "state" / "pumps"):
        before_s = _children_cpu_s()
        ended = pynomaly("run", "flow.yaml", *arguments, folder=folder)
        took_s = _children_cpu_s() - before_s
    assert ended.returncode == 65
    assert "state folder state/pumps must not be in use, was held by process" in ended.stderr
    assert took_s <= _AT_ONCE_S


def _children_cpu_s() -> float:
    """Return the CPU time of the processes that have ended [s]; the wall clock would count others' work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_one_shard_alone(folder: Path) -> None:
    """Where something else starts them: each reads its own files, in any order."""
    for shard in ("1/2", "0/2"):
        assert pynomaly("run", "flow.yaml", "--shard", shard, folder=folder).returncode == 0
    shards = [folder / f"alerts.shard-{number}-of-2.jsonl" for number in range(2)]
    assert len(_ids(*shards)) == 4
    seen = pynomaly("doctor", "flow.yaml", folder=folder).stdout
    assert "shard-0-of-2" in seen
    assert "shard-1-of-2" in seen
    refused = pynomaly("run", "flow.yaml", "--shard", "0/2", "--shards", "2", folder=folder)
    assert refused.returncode == 78
    assert "error: --shard: must not be given with --shards" in refused.stderr
