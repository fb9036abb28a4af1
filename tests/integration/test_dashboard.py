"""Every query of the Grafana dashboard and every alert rule, against a real Prometheus that scrapes a real endpoint."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from brokers.kafka_topics import KafkaTopics
from pynomaly.infrastructure.telemetry.catalogue import CATALOGUE, PROCESS_METRICS, SUPERVISOR_METRICS, Metric

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "overview.json"
RULES = DEPLOY / "prometheus" / "alerts.yml"

SCRAPE_INTERVAL_S = 0.25
DEADLINE_S = 60.0
#: What Grafana puts in for its variables; the windows hold some scrapes of the test's Prometheus.
VARIABLES = {"$__rate_interval": "3s", "$__range": "5s", "$flow": ".*"}


@dataclass(frozen=True)
class Query:
    """One query of the dashboard."""

    panel: str
    expression: str

    @property
    def concrete(self) -> str:
        """The query as Grafana would send it."""
        text = self.expression
        for variable, value in VARIABLES.items():
            text = text.replace(variable, value)
        return text


def dashboard() -> dict[str, Any]:
    """Read the dashboard."""
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def queries() -> list[Query]:
    """Return every query of every panel."""
    return [
        Query(f"{panel['title']} {target['refId']}", target["expr"])
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    ]


def marks() -> list[Query]:
    """Return what marks events on every panel."""
    return [Query(item["name"], item["expr"]) for item in dashboard()["annotations"]["list"]]


def rules() -> list[Query]:
    """Return the expression of every alert rule."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [Query(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


def names_in(expression: str) -> set[str]:
    """Return the metric names of an expression."""
    return set(re.findall(r"\b(?:pynomaly|process)_[a-z_]+", expression))


def stored_names(metric: Metric) -> set[str]:
    """Return the names under which Prometheus stores a metric."""
    if metric.kind != "histogram":
        return {metric.name}
    return {f"{metric.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")}


# What needs no server.

KNOWN = {name for metric in (*CATALOGUE, *SUPERVISOR_METRICS, *PROCESS_METRICS) for name in stored_names(metric)}


@pytest.mark.parametrize("query", [*queries(), *marks(), *rules()], ids=lambda query: query.panel)
def test_metric_is_in_the_catalogue(query: Query) -> None:
    """The dashboard and the rules ask for nothing that does not exist."""
    assert names_in(query.expression) - KNOWN == set()
    assert names_in(query.expression) or query.expression.startswith("up{")


def test_dashboard_shows_every_metric() -> None:
    """No metric of a flow is left without a panel."""
    shown = set().union(*(names_in(query.expression) for query in queries()))
    assert [metric.name for metric in CATALOGUE if not stored_names(metric) & shown] == []


def test_panels_are_explained_and_portable() -> None:
    """Every panel has a description, a unit and the data source that the viewer picks, and overlaps no other."""
    board = dashboard()
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"]), panel["title"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert board["uid"] == "pynomaly-overview"
    assert board["schemaVersion"] >= 39


# What needs Prometheus.


def program(name: str) -> str:
    """Find a program of Debian's package `prometheus`: needed in CI, elsewhere its tests are skipped."""
    found = shutil.which(name)
    if found is None:
        why = f"{name} must be installed (apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


@pytest.mark.prometheus
@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")],
    ids=" ".join,
)
def test_promtool_accepts_what_is_deployed(arguments: tuple[str, ...]) -> None:
    """The configuration loads, the rules parse, and they fire when they should and only then."""
    checked = subprocess.run(
        [program("promtool"), *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


_FLOW = """
flow: orders
source: {kind: kafka, bootstrap: "%(bootstrap)s", topic: "%(topic)s", group: "%(topic)s"}
record: {time: {field: ts, format: ms}, series: [series], values: [value]}
window: {kind: tumbling, size: 1s, aggregates: [mean, count]}
detectors:
  - {detector: ew_zscore, fields: [value.mean], warm_up: 10, calibration: {warm_up: 20}}
  - {pyod: HBOS, as: forest, window: 100, refit_every: 100, adopt_after: 50, group_by: stream}
alert: {levels: {watch: 1.5, warning: 3}}
output:
  alerts: {kind: file, path: "%(folder)s/alerts.jsonl"}
  dead_letters: {kind: file, path: "%(folder)s/dead-letters.jsonl"}
checkpoint: {every: 500ms}
metrics: {listen: "%(listen)s"}
"""


class Orders:
    """Produces readings of twenty series, some strange and some damaged, until stopped.

    Event time runs ten times as fast as the clock, so that there are windows, fits and alerts within seconds.
    """

    def __init__(self, topics: KafkaTopics, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": topics.bootstrap})
        self._topic = topic
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders")
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        start_ms, random, turn = time.time_ns() // 1_000_000 - 3_600_000, Random(7), 0
        while not self._stopped.wait(0.02):
            turn += 1
            is_spike = turn % 40 < 5
            for series in range(20):
                value = random.gauss(50.0, 1.0) + (40.0 if is_spike and series == turn // 40 % 20 else 0.0)
                record = {"ts": start_ms + 200 * turn, "series": f"shop-{series}", "value": value}
                self._producer.produce(self._topic, json.dumps(record), partition=series % 2)
            self._producer.produce(self._topic, b"damaged", partition=0)
            self._producer.poll(0)
        self._producer.flush(10)


@pytest.fixture(scope="module")
def scraped_target(kafka: KafkaTopics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run `pynomaly run` on Kafka, with windows, refits, alerts and dead letters; yield its `host:port`."""
    folder, topic = tmp_path_factory.mktemp("orders"), f"orders-{uuid.uuid4().hex[:8]}"
    kafka.create(topic, partitions=2)
    listen = f"127.0.0.1:{free_port()}"
    flow = _FLOW % {"bootstrap": kafka.bootstrap, "topic": topic, "folder": folder, "listen": listen}
    (folder / "orders.yaml").write_text(flow)
    command = [str(Path(sys.executable).with_name("pynomaly")), "run", "orders.yaml"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        orders = Orders(kafka, topic)
        try:
            _wait_until_listening(listen, process, folder / "log")
            yield listen
        finally:
            orders.stop()
            process.terminate()
            assert process.wait(timeout=60) == 0, (folder / "log").read_text()


def _wait_until_listening(listen: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://{listen}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(SCRAPE_INTERVAL_S)
    pytest.fail(f"nothing listens at {listen}: {log.read_text()}")


class Prometheus:
    """A running Prometheus."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self._process = process
        self._url = url
        self._log = log

    def query(self, expression: str) -> list[float]:
        """Return the values of an instant query; none while the server is starting."""
        assert self._process.poll() is None, self._log.read_text()
        body = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/query", body, timeout=10) as answer:  # noqa: S310 - loopback
                return [float(result["value"][1]) for result in json.load(answer)["data"]["result"]]
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:
                    pytest.fail(f"{expression}: {error.read().decode()}")
        except urllib.error.URLError:
            pass  # it does not listen yet
        return []

    def wait_for(self, expression: str) -> list[float]:
        """Return the values of a query once it has some and all are finite; whatever it has at the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            values = self.query(expression)
            if (values and all(map(math.isfinite, values))) or time.monotonic() > deadline:
                return values
            time.sleep(SCRAPE_INTERVAL_S)


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def prometheus(scraped_target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes the target often."""
    folder = tmp_path_factory.mktemp("prometheus")
    job = {"job_name": "pynomaly", "static_configs": [{"targets": [scraped_target]}]}
    config = {"global": {"scrape_interval": f"{int(SCRAPE_INTERVAL_S * 1000)}ms"}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port, log = free_port(), folder / "log"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield Prometheus(process, f"http://127.0.0.1:{port}", log)
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.prometheus
@pytest.mark.parametrize("query", queries(), ids=lambda query: query.panel)
def test_panel_shows_data(query: Query, prometheus: Prometheus) -> None:
    """Each query of each panel returns numbers for a flow that works."""
    values = prometheus.wait_for(query.concrete)
    assert values, query.concrete
    assert all(map(math.isfinite, values)), query.concrete


@pytest.mark.prometheus
@pytest.mark.parametrize("query", [*marks(), *rules()], ids=lambda query: query.panel)
def test_healthy_flow_raises_nothing(query: Query, prometheus: Prometheus) -> None:
    """Marks and alert rules are valid queries that say nothing of a flow that works."""
    prometheus.wait_for('pynomaly_build_info{flow="orders"}')
    assert prometheus.query(query.concrete) == []


@pytest.mark.prometheus
def test_promtool_accepts_the_exposition(scraped_target: str) -> None:
    """Prometheus' own linter finds nothing in names, help texts and types."""
    with urllib.request.urlopen(f"http://{scraped_target}/metrics", timeout=10) as answer:
        exposition = answer.read()
    lint = subprocess.run([program("promtool"), "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, b"", b"")


@pytest.mark.prometheus
def test_flow_variable_lists_the_flow(prometheus: Prometheus) -> None:
    """The dashboard's choice of flows is filled from a metric that exists."""
    (variable,) = (item for item in dashboard()["templating"]["list"] if item["name"] == "flow")
    assert variable["definition"] == "label_values(pynomaly_build_info, flow)"
    assert prometheus.wait_for('pynomaly_build_info{flow="orders"}') == [1.0]


@pytest.mark.prometheus
def test_scrape_is_healthy(prometheus: Prometheus) -> None:
    """Prometheus takes every sample of a scrape."""
    assert prometheus.wait_for('up{job="pynomaly"}') == [1.0]
    (scraped,) = prometheus.wait_for('scrape_samples_scraped{job="pynomaly"}')
    (kept,) = prometheus.wait_for('scrape_samples_post_metric_relabeling{job="pynomaly"}')
    assert scraped == kept > 100
