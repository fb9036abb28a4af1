"""The real program on brokers that ask who it is: it works, and each refusal is one line, status 77 and soon.

And what must show nowhere: no secret, by whatever way it comes in, leaves the program in anything that it writes.
The full size adds the other ways in, the portable reader, and credentials that are withdrawn.
"""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from brokers.kafka_topics import until
from brokers.secured_kafka import ALICE_PASSWORD, Section, SecuredKafka
from e2e.flow_file import write_flow
from e2e.job import Ended, Job, Program
from e2e.size import FULL

READ, WRITE = AclOperation.READ, AclOperation.WRITE
TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP
NO_PERMISSION: Final = 77
WITHIN_S: Final = 30.0
RECORDS: Final = 400
FIRST_MS: Final = 1_700_000_000_000
STEP_MS: Final = 1_000
SPIKE: Final = 1_000.0
CANARY: Final = "c4nary-in-the-mine"

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def records(first: int, last: int) -> list[bytes]:
    """Return records of one series, calm but for a spike at the last one."""
    values = {number: 10.0 + number % 7 for number in range(first, last)} | {last - 1: SPIKE}
    return [
        json.dumps({"ts": FIRST_MS + n * STEP_MS, "series": "pump", "value": value}).encode()
        for n, value in values.items()
    ]


@dataclass(frozen=True, slots=True)
class SecuredFlow:
    """A flow between two topics of a secured cluster, and the program that runs it."""

    kafka: SecuredKafka
    program: Program
    folder: Path
    name: str

    @property
    def outcomes(self) -> Path:
        """File with one line for each record."""
        return self.folder / "outcomes.jsonl"

    def write(self, security: Section, bootstrap: str | None = None, **source: object) -> Path:
        """Write the flow's file."""
        reach = {"kind": "kafka", "bootstrap": bootstrap or self.kafka.scram, "security": security, "timeout_s": 5}
        tree = {
            "flow": "secured",
            "source": {**reach, "topic": f"{self.name}-in", **source},
            "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
            "detectors": ["ew_zscore"],
            "checkpoint": {"every": "200ms"},
            "output": {
                "alerts": {**reach, "topic": f"{self.name}-out"},
                "outcomes": {"kind": "file", "path": str(self.outcomes)},
                "outcomes_of": "all",
            },
        }
        return write_flow(self.folder / "flow.yaml", tree)

    def run(self, *options: str, **environment: str) -> Ended:
        """Run to the end of the input."""
        return self.program.run("run", "flow.yaml", "--until-end", *options, within_s=WITHIN_S, **environment)

    def scored(self) -> list[int]:
        """Return the offsets that have an outcome, in the order of the file."""
        if not self.outcomes.exists():
            return []
        return [json.loads(line)["offset"] for line in self.outcomes.read_text().splitlines()]


@pytest.fixture
def flow(
    secured_kafka: SecuredKafka, program: Program, tmp_path: Path, unique_name: Callable[[str], str]
) -> SecuredFlow:
    """A flow whose topics exist, the input with records; alice may do nothing yet."""
    made = SecuredFlow(secured_kafka, program, tmp_path, unique_name("f")[-40:])
    for side in ("in", "out"):
        secured_kafka.create(f"{made.name}-{side}")
    secured_kafka.append(f"{made.name}-in", records(0, RECORDS))
    return made


def grant(flow: SecuredFlow, user: str) -> None:
    """Give a user what docs/security.md lists."""
    flow.kafka.allow(user, TOPIC, f"{flow.name}-in", READ)
    flow.kafka.allow(user, TOPIC, f"{flow.name}-out", WRITE)
    flow.kafka.allow(user, GROUP, flow.name, READ)


def refused(ended: Ended, *texts: str) -> None:
    """Fail unless a process ended with the status for refusals and one line with these texts, and no secret.

    What Bytewax itself says of an error in a running dataflow stands before that line.
    """
    assert ended.code == NO_PERMISSION, ended.err
    assert ended.seconds < WITHIN_S
    assert "Traceback" not in ended.err
    assert len(ended.complaints) == 1, ended.err
    for text in texts:
        assert text in ended.complaints[0]
    assert ALICE_PASSWORD not in ended.err + ended.out


def by_environment(flow: SecuredFlow) -> Section:
    """The password comes from the environment."""
    return flow.kafka.scram_security("${CANARY_USER}", "${CANARY}")


def by_value(flow: SecuredFlow) -> Section:
    """The password stands in the flow."""
    return flow.kafka.scram_security("canary", CANARY)


def by_file(flow: SecuredFlow) -> Section:
    """The password stands in a file of its own."""
    secret = flow.folder / "secret"
    secret.write_text(f"{CANARY}\n")
    return flow.kafka.scram_security(
        sasl={"mechanism": "SCRAM-SHA-512", "username": "canary", "password_file": str(secret)}
    )


def hidden(*texts: str) -> None:
    """Fail if a secret is in a text."""
    for text in texts:
        assert CANARY not in text, text[max(0, text.index(CANARY) - 300) : text.index(CANARY) + 100]


@pytest.mark.parametrize("way", [by_environment, by_value, by_file] if FULL else [by_environment])
def test_scram_over_tls_with_the_listed_rights(flow: SecuredFlow, way: Callable[[SecuredFlow], Section]) -> None:
    """The flow reads, alerts and commits; and nothing that it writes holds the password, however talkative."""
    flow.kafka.add_user("canary", CANARY)
    grant(flow, "canary")
    flow.write(way(flow), group=flow.name, client={"debug": "all"})
    secret = {"CANARY": CANARY, "CANARY_USER": "canary"}
    port = _free_port()
    talkative = ("--log-level", "debug", "--log-format", "json", "--metrics", f"127.0.0.1:{port}")
    job = flow.program.start("run", "flow.yaml", *talkative, **secret)
    until(lambda: len(flow.scored()) == RECORDS, "the flow has read all there is", WITHIN_S)
    hidden(_metrics(port, job))
    ended = job.terminate().succeeded()
    assert "kafka_library_said" in ended.err  # it is as talkative as it can be
    assert "kafka_group_refused" not in ended.err
    hidden(ended.err, ended.out, flow.outcomes.read_text())
    for file in (flow.folder / "state").rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes(), file
    explained = flow.program.run("flows", "explain", "flow.yaml", **secret).succeeded()
    hidden(explained.err, explained.out)
    assert flow.scored() == list(range(RECORDS))
    assert [alert["values"] for alert in flow.kafka.read(f"{flow.name}-out")] == [{"value": SPIKE}]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _metrics(port: int, job: Job) -> str:
    found: list[str] = []

    def answered() -> bool:
        assert job.alive, job.err
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                found.append(answer.read().decode())
        except OSError:
            return False
        return True

    until(answered, "metrics are served", WITHIN_S)
    return found[0]


def test_wrong_password(flow: SecuredFlow) -> None:
    """The brokers do not take it; the doctor says the same of the input and of the alerts."""
    flow.write(flow.kafka.scram_security(password=CANARY))
    refused(flow.run("--log-format", "json"), "Authentication failed", "check user and password of `security.sasl`")
    checkup = flow.program.run("--debug", "doctor", "flow.yaml", within_s=WITHIN_S)
    assert checkup.code != 0
    assert checkup.out.count("check user and password of `security.sasl`") == 2
    hidden(checkup.out, checkup.err)


def test_expired_certificate(flow: SecuredFlow) -> None:
    """The brokers do not take it."""
    expired = flow.kafka.authority.sign("alice", expired=True)
    flow.write(flow.kafka.mutual_security(expired), flow.kafka.mutual)
    refused(flow.run(), "give a certificate that they trust and that has not expired")


def test_missing_rights_one_after_the_other(flow: SecuredFlow) -> None:
    """Each right that is missing is told with who needs it; without a group none to a group is needed."""
    flow.write(flow.kafka.scram_security(), group=flow.name)
    refused(flow.run(), f"topic {flow.name}-in", "grant READ on the topic to User:alice")
    flow.kafka.allow("alice", TOPIC, f"{flow.name}-in", READ)
    refused(flow.run(), f"group {flow.name}", "grant READ on the group to User:alice")
    flow.write(flow.kafka.scram_security())
    refused(flow.run(), f"topic {flow.name}-out", "grant WRITE on the topic to User:alice")
    assert flow.scored() == []


@pytest.mark.parametrize("reader", ["fast", "portable"] if FULL else ["fast"])
def test_a_right_withdrawn_while_the_flow_runs(flow: SecuredFlow, reader: str) -> None:
    """The flow ends with 77; when the right is back, a restart goes on exactly: no record missing, none twice."""
    grant(flow, "alice")
    flow.write(flow.kafka.scram_security(), reader=reader)
    job = flow.program.start("run", "flow.yaml")
    until(lambda: len(flow.scored()) == RECORDS, "the flow has read all there is", WITHIN_S)
    flow.kafka.forbid("alice", TOPIC, f"{flow.name}-in", READ)
    refused(job.wait(WITHIN_S), f"topic {flow.name}-in", "grant READ on the topic to User:alice")
    flow.kafka.append(f"{flow.name}-in", records(RECORDS, RECORDS + 50))
    flow.kafka.allow("alice", TOPIC, f"{flow.name}-in", READ)
    flow.run().succeeded()
    assert flow.scored() == list(range(RECORDS + 50))
    alerts = {json.dumps(alert): alert["stream"]["offset"] for alert in flow.kafka.read(f"{flow.name}-out")}
    assert RECORDS - 1 in alerts.values()
    assert len(set(alerts.values())) == len(alerts)  # what was written twice was written alike


@pytest.mark.skipif(not FULL, reason="tests/integration/test_kafka_rights.py has the readers' part of it")
def test_credentials_withdrawn_while_the_flow_runs(flow: SecuredFlow) -> None:
    """The brokers ask again who we are and know us no more: 77, and nothing is lost when they know us again."""
    user = flow.name
    flow.kafka.add_user(user, "for-now")
    grant(flow, user)
    flow.write(flow.kafka.scram_security(user, "for-now"))
    job = flow.program.start("run", "flow.yaml")
    until(lambda: len(flow.scored()) == RECORDS, "the flow has read all there is", WITHIN_S)
    flow.kafka.remove_user(user)
    refused(job.wait(WITHIN_S), "check user and password of `security.sasl`")
    flow.kafka.append(f"{flow.name}-in", records(RECORDS, RECORDS + 50))
    flow.kafka.add_user(user, "for-now")
    flow.run().succeeded()
    assert flow.scored() == list(range(RECORDS + 50))
