"""A right that is taken away from a running flow: it ends with status 77, and the deployed alert rule says so.

Row 25 of the fault matrix, with a real Prometheus and the rules of deploy/, whose patience is cut to a second.
tests/e2e/test_line_security.py has what is lost by it (nothing), and credentials that are withdrawn.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml
from confluent_kafka.admin import AclOperation, ResourceType

from brokers.apache_kafka import free_ports
from brokers.kafka_topics import until
from brokers.secured_kafka import SecuredKafka
from e2e.flow_file import Tree, write_flow
from e2e.job import Program
from e2e.traffic import Traffic
from e2e.verifier import lines
from fault_table import Figures
from integration.test_dashboard import RULES
from integration.test_dashboard import program as debian_program

_READ, _WRITE = AclOperation.READ, AclOperation.WRITE
_TOPIC: Final = ResourceType.TOPIC
_NO_PERMISSION: Final = 77
_RECORDS: Final = 2_000
_WITHIN_S: Final = 30.0

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus, pytest.mark.slow]


@contextmanager
def _prometheus(target: int, folder: Path) -> Generator[Callable[[], set[str]]]:
    """Watch a port with the deployed rules, for the length of a block; yield what asks for the alerts that fire."""
    impatient = re.sub(r"\bfor: \w+", "for: 1s", RULES.read_text())
    (folder / "alerts.yml").write_text(impatient)
    job = {"job_name": "pynomaly", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    every = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    tree = {"global": every, "rule_files": ["alerts.yml"], "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(tree))
    (port,) = free_ports(1)
    command = [
        debian_program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def firing() -> set[str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as answer:
                alerts = json.load(answer)["data"]["alerts"]
        except urllib.error.URLError:
            return {"nothing is known yet"}
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: firing() == set(), "Prometheus watches a flow that is well", _WITHIN_S)
            yield firing
        finally:
            process.kill()


def _flow(kafka: SecuredKafka, name: str, port: int, folder: Path) -> Path:
    reach = {"kind": "kafka", "bootstrap": kafka.scram, "security": kafka.scram_security()}
    tree: Tree = {
        "flow": "revoked",
        "source": {**reach, "topic": f"{name}-in"},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        "detectors": ["ew_zscore"],
        "checkpoint": {"every": "200ms"},
        "metrics": {"listen": f"127.0.0.1:{port}"},
        "output": {
            "alerts": {**reach, "topic": f"{name}-out"},
            "outcomes": {"kind": "file", "path": "outcomes.jsonl"},
            "outcomes_of": "all",
        },
    }
    return write_flow(folder / "flow.yaml", tree)


def test_a_revoked_right_is_an_alert(
    secured_kafka: SecuredKafka,
    program: Program,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    tell: Callable[[Figures], None],
) -> None:
    """Status 77, one line that says which right is missing, and `PynomalyFlowDown`, while the flow is well: nothing."""
    name, (port,) = unique_name("revoked")[-40:], free_ports(1)
    for side, right in (("in", _READ), ("out", _WRITE)):
        secured_kafka.create(f"{name}-{side}")
        secured_kafka.allow("alice", _TOPIC, f"{name}-{side}", right)
    values = [record.value or b"" for record in Traffic(10, _RECORDS // 10, 1).records()]
    secured_kafka.append(f"{name}-in", values)
    job = program.start("run", _flow(secured_kafka, name, port, tmp_path))
    outcomes = tmp_path / "outcomes.jsonl"
    until(lambda: outcomes.exists() and len(list(lines(outcomes))) == _RECORDS, "all records are judged", _WITHIN_S)
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with _prometheus(port, folder) as firing:
        secured_kafka.forbid("alice", _TOPIC, f"{name}-in", _READ)
        since = time.monotonic()
        ended = job.wait(_WITHIN_S)
        stopped_s = time.monotonic() - since
        until(lambda: "PynomalyFlowDown" in firing(), "the rule fires", _WITHIN_S)
    assert ended.code == _NO_PERMISSION, ended.err
    (complaint,) = ended.complaints
    assert "grant READ on the topic to User:alice" in complaint
    assert "Traceback" not in ended.err
    judged = [line["offset"] for line in lines(outcomes)]
    lost = len(set(range(_RECORDS)) - set(judged))
    note = f"status 77 after {stopped_s:.1f} s, PynomalyFlowDown fires"
    tell(Figures(25, "right to read revoked", _RECORDS, lost, len(judged) - len(set(judged)), note=note))
    assert judged == list(range(_RECORDS))
