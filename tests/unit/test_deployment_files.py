"""The container image and the compose file refer only to what exists, and give away no more than they must."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def service_ids() -> list[str]:
    """Return the names of all services."""
    return sorted(SERVICES)


def mounts(name: str) -> list[list[str]]:
    """Return the volumes of a service, each split at its colons."""
    return [str(volume).split(":") for volume in SERVICES[name].get("volumes", [])]


def references(flow: Path) -> tuple[set[str], set[str]]:
    """Return the variables that a flow file needs, and all that it knows; comments aside."""
    text = re.sub(r"^\s*#.*$|\s#\s.*$", "", flow.read_text(), flags=re.MULTILINE)
    found = re.findall(r"\$\{(\w+)(:-)?", text)
    return {name for name, default in found if not default}, {name for name, _ in found}


def tool(name: str) -> str:
    """Find a checker beside Python or on PATH; skip without it."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


# The image.


def instructions(word: str) -> list[list[str]]:
    """Return the arguments of every instruction of one kind, continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [shlex.split(line.removeprefix(word)) for line in joined.splitlines() if line.startswith(f"{word} ")]


def copied() -> list[str]:
    """Return what the Dockerfile copies out of this folder."""
    own = [words for words in instructions("COPY") if not words[0].startswith("--from")]
    return [source for words in own for source in words[:-1]]


@pytest.mark.parametrize("source", copied())
def test_copied_files_exist_and_are_let_through(source: str) -> None:
    """Every COPY finds its files, and .dockerignore keeps none of them out."""
    assert list(ROOT.glob(source)), source
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert Path(source).parts[0] in allowed


def test_build_context_is_closed_by_default() -> None:
    """Nothing comes into the build that is not named: no state, no secrets, no data."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"


def test_wheel_finds_all_its_packages() -> None:
    """What the Dockerfile copies covers every package of the distribution."""
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in hatch["packages"]:
        assert any(Path(package).is_relative_to(source) for source in copied()), package


def test_image_is_not_root() -> None:
    """The last word on the user is a number other than 0."""
    user = instructions("USER")[-1][0]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_image_starts_the_program_and_checks_its_health() -> None:
    """The entry point is a script of the distribution; the health check asks the port that the image exposes."""
    assert "pynomaly" in PROJECT["scripts"]
    assert 'ENTRYPOINT ["pynomaly"]' in DOCKERFILE
    (port,) = instructions("EXPOSE")[0]
    assert f"http://127.0.0.1:{port}/healthz" in DOCKERFILE
    assert f"METRICS_LISTEN=0.0.0.0:{port}" in DOCKERFILE


def test_last_stage_has_no_build_tools() -> None:
    """The image takes a finished environment: it installs and compiles nothing."""
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert not re.search(r"\b(pip|apt-get|gcc|make|curl|wget)\b", last)


def test_the_image_has_what_a_flow_file_may_ask_for() -> None:
    """Its file system is read-only: what is told to `pip install` an extra must find it there."""
    extras = re.search(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE)
    assert extras is not None
    assert set(extras[1].split(",")) >= {"pyod", "registry"}


def test_dependencies_are_pinned() -> None:
    """constraints.txt holds a version that fits for every dependency, also those of the extras in the image."""
    pins: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            pins[requirement.name.lower()] = next(iter(requirement.specifier)).version
    for text in (
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["pyod"],
        *PROJECT["optional-dependencies"]["registry"],
    ):
        needed = Requirement(text)
        assert needed.specifier.contains(pins[needed.name.lower()]), text
    assert "-c constraints.txt" in DOCKERFILE


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile passes its linter."""
    linted = subprocess.run([tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


# The compose file.


@pytest.mark.parametrize("name", service_ids())
def test_service_is_restricted(name: str) -> None:
    """Each service has a version, limits and a policy of health, and no more rights than an ordinary user."""
    service = SERVICES[name]
    image = service["image"]
    assert "build" in service or re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", image), image
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices", "user"} & set(service)
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    assert "healthcheck" in service or "build" in service


@pytest.mark.parametrize("name", service_ids())
def test_mounts_exist(name: str) -> None:
    """Files are mounted from this folder, read-only; everything else is a declared volume."""
    for mount in mounts(name):
        if mount[0].startswith("."):
            assert (ROOT / mount[0]).is_dir(), mount
            assert mount[2] == "ro", mount
        else:
            assert mount[0] in COMPOSE["volumes"], mount


@pytest.mark.parametrize("name", service_ids())
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    """A trial without passwords is not offered to the network."""
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", service_ids())
def test_dependencies_are_services_that_can_be_waited_for(name: str) -> None:
    """Nobody waits for the health of a service that has none."""
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "on-failure"


def test_every_volume_is_used() -> None:
    """No volume is declared in vain."""
    used = {mount[0] for name in SERVICES for mount in mounts(name) if not mount[0].startswith(".")}
    assert used == set(COMPOSE["volumes"])


def test_flow_has_its_file_and_environment() -> None:
    """The flow that is run exists, and every variable it needs is given; none is given that it does not know."""
    verb, path = SERVICES["flow"]["command"]
    assert verb == "run"
    needed, known = references(ROOT / path)
    given = set(SERVICES["flow"]["environment"])
    assert needed <= given <= known


def test_flow_may_write_where_the_image_lets_it() -> None:
    """With a read-only root, every volume of the image is a volume of the service."""
    written = {mount[1] for mount in mounts("flow") if not mount[0].startswith(".")}
    (declared,) = re.findall(r"^VOLUME \[(.*)\]$", DOCKERFILE, re.MULTILINE)
    assert written == set(re.findall(r'"([^"]+)"', declared))
    assert SERVICES["flow"]["read_only"]


def test_program_has_the_command_that_is_run() -> None:
    """`pynomaly run FLOW` exists."""
    command = [sys.executable, "-c", "from pynomaly.presentation.cli.main import main; main()", "run", "--help"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert asked.returncode == 0, asked.stderr


def test_producer_options_exist_and_fit() -> None:
    """The producer's command line is valid and writes the topic that the flow reads."""
    from pynomaly_connectors.produce import parser

    producer = SERVICES["producer"]
    assert producer["entrypoint"] == ["python", "-m", "pynomaly_connectors.produce"]
    options = parser().parse_args(producer["command"])
    environment = SERVICES["flow"]["environment"]
    assert options.topic == environment["KAFKA_INPUT_TOPIC"]
    assert options.bootstrap == environment["KAFKA_BOOTSTRAP"]


def test_topics_of_the_flow_are_created() -> None:
    """The creator of topics is told the same cluster and topics as the flow."""
    told, used = SERVICES["topics"]["environment"], SERVICES["flow"]["environment"]
    for name in ("KAFKA_BOOTSTRAP", "KAFKA_INPUT_TOPIC", "KAFKA_ALERT_TOPIC"):
        assert told[name] == used[name]


def test_prometheus_scrapes_the_flow_and_grafana_asks_prometheus() -> None:
    """Host names and ports in the mounted files are those of the services."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    port = SERVICES["flow"]["environment"]["METRICS_LISTEN"].rpartition(":")[2]
    assert jobs["pynomaly"] == [f"flow:{port}"]
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]


def test_grafana_finds_its_dashboards() -> None:
    """The folder that is provisioned is the folder that is mounted, and the home dashboard lies in it."""
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/pynomaly.yaml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    (source,) = (mount[0] for mount in mounts("grafana") if mount[1] == folder)
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / source / Path(home).relative_to(folder)).is_file()


def test_compose_accepts_the_file() -> None:
    """Docker's own client resolves the file without a complaint."""
    alone = shutil.which("docker-compose")
    command = [alone] if alone else [tool("docker"), "compose"]
    if subprocess.run([*command, "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("docker compose is not installed")
    checked = subprocess.run(
        [*command, "-f", ROOT / "docker-compose.yml", "config", "-q"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


# The creator of topics.


def test_topics_script_asks_for_what_it_says(tmp_path: Path) -> None:
    """The script creates the input, the alerts and, if named, the dead letters, and never touches what exists."""
    spy = tmp_path / "kafka-topics.sh"
    spy.write_text('#!/bin/sh\necho "$@" >> "$CALLS"\n')
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "KAFKA_BOOTSTRAP": "kafka:9092",
        "KAFKA_INPUT_TOPIC": "in",
        "KAFKA_ALERT_TOPIC": "out",
        "KAFKA_DEAD_LETTER_TOPIC": "dead",
        "INPUT_PARTITIONS": "8",
    }
    subprocess.run([ROOT / "deploy/kafka/create-topics.sh"], env=environment, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    topics = [re.search(r"--topic (\w+) --partitions (\d+)", call) for call in calls]
    assert [topic.groups() for topic in topics if topic] == [("in", "8"), ("out", "1"), ("dead", "1")]
    assert all("--if-not-exists" in call and "cleanup.policy=delete" in call for call in calls)


def test_topics_script_names_what_is_missing() -> None:
    """Without its settings the script stops with the name of the first one."""
    script, environment = ROOT / "deploy/kafka/create-topics.sh", {"PATH": os.environ["PATH"]}
    ended = subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "KAFKA_BOOTSTRAP: must be host:port of the cluster" in ended.stderr
