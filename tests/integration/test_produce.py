"""The producer program: its options, its exit statuses, and what arrives in a real Kafka."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from pynomaly_connectors.produce import parser

COMMAND = [sys.executable, "-m", "pynomaly_connectors.produce"]
CSV = "timestamp,value\n2024-01-01 00:00:00,1.5\n2024-01-01 00:05:00,oops\n2024-01-01 00:10:00,2.5\n"


def produce(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the producer in a folder to its end."""
    return subprocess.run([*COMMAND, *options], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "fast"])
def test_rate_must_be_a_positive_number(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A rate that cannot be kept is a usage error."""
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(["--topic", "t", "--dataset", "water_flow", "--rate", rate])
    assert caught.value.code == 2
    assert "--rate" in capsys.readouterr().err


def test_plaintext_to_other_machines_is_refused(tmp_path: Path) -> None:
    """Unless the option allows it; no connection is tried."""
    ended = produce(tmp_path, "--topic", "t", "--dataset", "water_flow", "--bootstrap", "broker.invalid:9092")
    assert ended.returncode == os.EX_CONFIG
    assert ended.stderr.startswith("security.allow_plaintext: must be true, or `protocol` SSL or SASL_SSL: broker.inv")
    assert ended.stderr.count("\n") == 1


def test_silent_cluster_is_unavailable(tmp_path: Path) -> None:
    """The program ends with the status for an unavailable service and one sentence, no traceback."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # taken, but nobody listens
        bootstrap = f"127.0.0.1:{silent.getsockname()[1]}"
        ended = produce(tmp_path, "--bootstrap", bootstrap, "--topic", "t", "--dataset", "water_flow", "--timeout", "1")
    assert ended.returncode == os.EX_UNAVAILABLE
    assert bootstrap in ended.stderr
    assert "Traceback" not in ended.stderr


def test_missing_topic_and_missing_file_are_missing_input(
    shared_mock_cluster: MockCluster, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """The same status as that of every other program for what does not exist."""
    topic, cluster = unique_name("rows"), ("--bootstrap", shared_mock_cluster.bootstrap)
    ended = produce(tmp_path, *cluster, "--topic", topic, "--dataset", "water_flow")
    assert (ended.returncode, "must exist, was missing" in ended.stderr) == (os.EX_NOINPUT, True)
    shared_mock_cluster.create_topic(topic)
    ended = produce(tmp_path, *cluster, "--topic", topic, "--csv", "nothing-*.csv")
    assert (ended.returncode, "must match at least one file" in ended.stderr) == (os.EX_NOINPUT, True)


@pytest.mark.kafka
def test_files_arrive_once_in_order(kafka: KafkaTopics, unique_name: Callable[[str], str], tmp_path: Path) -> None:
    """Each usable row is one record, keyed by its file's name; the program says how many."""
    (tmp_path / "pump.csv").write_text(CSV)
    topic = unique_name("rows")
    kafka.create(topic)
    ended = produce(tmp_path, "--bootstrap", kafka.bootstrap, "--topic", topic, "--csv", "*.csv", "--rate", "1000")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", f"2 records sent to {topic}\n")
    arrived = kafka.read(topic)
    assert [json.loads(message.value() or b"") for message in arrived] == [
        {"ts": 1704067200000, "series": "pump", "value": 1.5},
        {"ts": 1704067800000, "series": "pump", "value": 2.5},
    ]
    assert [message.key() for message in arrived] == [b"pump", b"pump"]


@pytest.mark.kafka
def test_looping_producer_stops_clean(kafka: KafkaTopics, unique_name: Callable[[str], str], tmp_path: Path) -> None:
    """SIGTERM ends it with status 0 and every record that it counted is in the topic."""
    topic = unique_name("rows")
    kafka.create(topic)
    options = ["--bootstrap", kafka.bootstrap, "--topic", topic, "--dataset", "water_flow", "--rate", "5000", "--loop"]
    with subprocess.Popen([*COMMAND, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        until(lambda: len(kafka.read(topic)) > 1300, "the second lap has begun")
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=30)
    arrived = kafka.read(topic)
    assert (running.returncode, told) == (0, f"{len(arrived)} records sent to {topic}\n")
    times = [json.loads(message.value() or b"")["ts"] for message in arrived]
    assert times == sorted(set(times))
