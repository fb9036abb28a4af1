"""`pynomaly dlq` and `pynomaly topics`: what an operator sees and gets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pynomaly.domain.event import RecordRejected
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord, Stream
from pynomaly.presentation.cli.main import main
from pynomaly_connectors.codecs.cloudevents import encode
from pynomaly_connectors.jsonl import envelope_line
from pynomaly_connectors.memory import Broker

_FLOW = """
flow: pumps
source: {kind: memory, topic: readings}
record: {time: {field: ts, format: ms}, values: [value]}
detectors: [ew_zscore]
output:
  alerts: {kind: memory, topic: alerts}
  dead_letters: {kind: DEAD}
"""
_REASONS = [Reason.MALFORMED, Reason.MALFORMED, Reason.BAD_TIME, Reason.TOO_LARGE]

Ask = Callable[..., dict[str, Any]]


def _event(number: int, flow: str = "pumps") -> RecordRejected:
    reason = _REASONS[number % 4]
    value = b"x" * 300_000 if reason is Reason.TOO_LARGE else b'{"ts": \x1b%d' % number
    raw = RawRecord(value, b"pump", (("trace", b"t"),))
    return RecordRejected(f"id-{number}", flow, Stream("readings", number % 2), number, reason, raw)


@pytest.fixture(params=["memory", "file"])
def flow(request: pytest.FixtureRequest, memory_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A flow with eight dead letters, one of another flow and a message that is none."""
    monkeypatch.chdir(tmp_path)
    memory_broker.create_topic("readings", 2)
    messages = [encode(_event(number)) for number in range(8)] + [encode(_event(0, "fans"))]
    if request.param == "memory":
        memory_broker.create_topic("letters")
        for message in messages:
            memory_broker.append("letters", message.value, message.key, message.headers)
        memory_broker.append("letters", b"something else")
        sink = "memory, topic: letters"
    else:
        lines = [*map(envelope_line, messages), b"something else"]
        (tmp_path / "letters.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        sink = "file, path: letters.jsonl"
    path = tmp_path / "flow.yaml"
    path.write_text(_FLOW.replace("DEAD", sink))
    return str(path)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run the program and return what it prints as JSON."""

    def run(*arguments: str) -> dict[str, Any]:
        assert main([*arguments, "--json"]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return run


def test_letters_are_counted(flow: str, ask: Ask) -> None:
    """By reason and partition, with the latest one; other flows' are apart."""
    told = ask("dlq", "list", flow)
    assert (told["letters"], told["letters_of_other_flows"], told["foreign_messages"]) == (8, 1, 1)
    assert {reason: one["letters"] for reason, one in told["reasons"].items()} == {
        "malformed": 4,
        "bad_time": 2,
        "too_large": 2,
    }
    malformed = told["reasons"]["malformed"]
    assert malformed["by_partition"] == {"0": 2, "1": 2}
    assert malformed["sample"]["id"] == "id-5"
    assert ask("dlq", "list", flow, "--reason", "bad_time", "--from", "3")["letters"] == 1


def test_the_table_disarms_what_records_bring(flow: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal obeys escape sequences, and records come from anyone."""
    assert main(["dlq", "list", flow]) == 0
    out = capsys.readouterr().out
    assert "pumps: 8 dead letters in" in out
    assert "readings[1]@5" in out
    assert "\x1b" not in out


def test_one_letter_is_shown(flow: str, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """By id or by place in the input; bytes are exact in JSON and printable as text."""
    told = ask("dlq", "show", flow, "--offset", "0:4")
    assert (told["id"], told["reason"], told["partition"], told["offset"]) == ("id-4", "malformed", 0, 4)
    assert base64.b64decode(told["value"]) == b'{"ts": \x1b4'
    assert told["headers"] == [["trace", base64.b64encode(b"t").decode()]]
    assert main(["dlq", "show", flow, "--id", "id-4"]) == 0
    out = capsys.readouterr().out
    assert "malformed: the payload cannot be parsed in the flow's format" in out
    assert "000000  7b 22 74 73 22 3a 20 1b 34 " in out
    assert "header     trace: t" in out


def test_a_cut_letter_tells(flow: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its size, and that not all of it is there."""
    assert main(["dlq", "show", flow, "--offset", "3"]) == 0
    out = capsys.readouterr().out
    assert "300,000 bytes, kept without its whole value" in out
    assert "bytes more: see --json" in out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["dlq", "show", "--id", "no"], 66, "must hold a letter of id no, held none"),
        (["dlq", "show", "--offset", "1:2"], 66, "must hold a letter of the record at 1:2, held none"),
        (["dlq", "show"], 78, "--id, --offset: must be given one of them"),
        (["dlq", "list", "--reason", "bad"], 78, "--reason: "),
        (["dlq", "list", "--from", "x:1"], 78, "--from: must be OFFSET or PARTITION:OFFSET"),
        (["dlq", "redrive", "--to-topic", "nowhere"], 66, "topic nowhere must exist"),
    ],
)
def test_mistakes_are_told(
    flow: str, arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and an exit status."""
    group, command, *options = arguments
    assert main([group, command, flow, *options]) == code
    assert text in capsys.readouterr().err


def test_records_are_produced_again_once(flow: str, ask: Ask, memory_broker: Broker) -> None:
    """Into their partition, with what they brought and how often they came; a rehearsal sends nothing."""
    rehearsed = ask("dlq", "redrive", flow, "--dry-run")
    assert (rehearsed["sent"], rehearsed["truncated"]) == (6, 2)
    assert memory_broker.records("readings") == []
    assert ask("dlq", "redrive", flow, "--reason", "malformed", "--limit", "3")["sent"] == 3
    told = ask("dlq", "redrive", flow)
    assert (told["sent"], told["sent_before"], told["truncated"]) == (3, 3, 2)
    assert ask("dlq", "redrive", flow)["sent"] == 0
    partitions = [memory_broker.fetch(stream, 0, 99) for stream in memory_broker.streams("readings")]
    values = [sorted(record.value or b"" for record in records) for records in partitions]
    assert values == [[b'{"ts": \x1b%d' % number for number in numbers] for numbers in ((0, 2, 4, 6), (1, 5))]
    first = partitions[0][0]
    assert first.key == b"pump"
    assert first.headers == (("trace", b"t"), ("pynomaly.redriven", b"1"), ("pynomaly.redriven.from", b"id-0"))


def test_another_topic_gets_the_records_as_well(
    flow: str, memory_broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """What went to a repair topic has not gone to the input."""
    memory_broker.create_topic("repair")
    assert main(["dlq", "redrive", flow, "--to-topic", "repair"]) == 0
    assert "6 sent to topic repair" in capsys.readouterr().out
    assert len(memory_broker.records("repair")) == 6
    assert main(["dlq", "redrive", flow]) == 0
    assert len(memory_broker.records("readings")) == 6


@pytest.mark.parametrize(
    ("sink", "source", "text"),
    [
        ("terminal", "memory, topic: readings", "output.dead_letters: must go to a topic or a file"),
        ("file, path: x.jsonl", "files, path: '*.csv'", "source.kind: must be kafka or memory"),
    ],
)
def test_flows_that_cannot_redrive(
    tmp_path: Path, sink: str, source: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said as a problem of the flow."""
    path = tmp_path / "flow.yaml"
    path.write_text(_FLOW.replace("DEAD", sink).replace("memory, topic: readings", source))
    assert main(["dlq", "redrive", str(path)]) == 78
    assert text in capsys.readouterr().err


def test_topics_are_made(tmp_path: Path, memory_broker: Broker, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """The outputs', and the input's if that is asked for; a second time nothing is made."""
    path = tmp_path / "flow.yaml"
    path.write_text(_FLOW.replace("DEAD", "memory, topic: letters"))
    rehearsed = ask("topics", "create", str(path), "--input", "--dry-run")
    assert [(one["role"], one["topic"], one["state"]) for one in rehearsed["topics"]] == [
        ("input", "readings", "missing"),
        ("alerts", "alerts", "missing"),
        ("dead_letters", "letters", "missing"),
    ]
    assert main(["topics", "create", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["created, 1 partitions, replication 1"] * 2
    told = ask("topics", "create", str(path), "--input", "--partitions", "3")
    assert [one["state"] for one in told["topics"]] == ["created", "exists", "exists"]
    assert len(memory_broker.streams("readings")) == 3


def test_a_flow_without_topics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Says so."""
    path = tmp_path / "flow.yaml"
    path.write_text(_FLOW.replace("DEAD", "terminal").replace("memory, topic: alerts", "terminal"))
    assert main(["topics", "create", str(path)]) == 0
    assert "no topics" in capsys.readouterr().out


def test_a_replay_tells_where_the_flow_would_stop(
    tmp_path: Path, memory_broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """The counts of what comes before are printed, then the reason, with its exit status."""
    memory_broker.create_topic("readings")
    for _ in range(150):
        memory_broker.append("readings", b"{")
    path = tmp_path / "flow.yaml"
    path.write_text(_FLOW.replace("DEAD", "memory, topic: letters"))
    assert main(["replay", str(path), "--json"]) == 76
    told = capsys.readouterr()
    assert json.loads(told.out)["reasons"] == {"malformed": 100}
    assert "error: readings[0] at offset 100: rejected records must be at most 100 before" in told.err
