"""The metrics and the health of all shards of a flow at one address: asked of each, told apart by the label `shard`."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from pynomaly.infrastructure.telemetry import catalogue

_ANSWER_S: Final = 2.0
_AT_ONCE: Final = 16
_UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class ShardState:
    """One shard as its supervisor sees it.

    Parameters
    ----------
    name
        Value of the label `shard`.
    endpoint
        Where it serves its own metrics, as `http://host:port`; None while it does not run, or is about to.
    restarts
        How often it was started again.
    is_done
        Whether it came to the end of its input: then nothing is wrong with it.
    """

    name: str
    endpoint: str | None
    restarts: int
    is_done: bool


class ShardMetrics(Collector):
    """Collects what all shards expose; one that does not answer within 2 s is left out and counts as down.

    Parameters
    ----------
    flow
        Name of the flow.
    shards
        Returns the present state of each.
    """

    def __init__(self, flow: str, shards: Callable[[], Iterable[ShardState]]) -> None:
        self._flow = flow
        self._shards = shards

    def collect(self) -> Iterator[Metric]:
        """Ask all shards at once; yield each metric with the samples of all."""
        shards = list(self._shards())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            exposed = list(pool.map(_metrics_of, shards))
        yield self._up(shards, exposed)
        yield self._restarts(shards)
        yield from _merged(shards, exposed)

    def _up(self, shards: Iterable[ShardState], exposed: Iterable[str | None]) -> Metric:
        up = GaugeMetricFamily(catalogue.SHARD_UP.name, catalogue.SHARD_UP.meaning, labels=("flow", "shard"))
        for shard, text in zip(shards, exposed, strict=True):
            up.add_metric([self._flow, shard.name], float(shard.is_done or text is not None))
        return up

    def _restarts(self, shards: Iterable[ShardState]) -> Metric:
        metric = catalogue.SHARD_RESTARTS
        restarts = CounterMetricFamily(metric.name, metric.meaning, labels=("flow", "shard"))
        for shard in shards:
            restarts.add_metric([self._flow, shard.name], shard.restarts)
        return restarts


def problem_of(shards: Iterable[ShardState], check: Literal["healthz", "ready"]) -> str | None:
    """Say what is wrong with the first shard that does not pass a check; None while all do."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        problems = pool.map(partial(_problem_of, check), shards)
        return next((problem for problem in problems if problem is not None), None)


def _merged(shards: Iterable[ShardState], exposed: Iterable[str | None]) -> Iterable[Metric]:
    merged: dict[str, Metric] = {}
    for shard, text in zip(shards, exposed, strict=True):
        for family in text_string_to_metric_families(text or ""):
            whole = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [_labelled(sample, shard.name) for sample in family.samples]
    return merged.values()


def _labelled(sample: Sample, shard: str) -> Sample:
    return sample._replace(labels={**sample.labels, "shard": shard})


def _metrics_of(shard: ShardState) -> str | None:
    try:
        return None if shard.endpoint is None else _get(f"{shard.endpoint}/metrics").decode()
    except (OSError, http.client.HTTPException):
        return None


def _problem_of(check: str, shard: ShardState) -> str | None:
    if shard.is_done:
        return None
    if shard.endpoint is None:
        return f"shard {shard.name} must run, is starting (restarted {shard.restarts} times); see the log"
    try:
        _get(f"{shard.endpoint}/{check}")
    except urllib.error.HTTPError as refused:
        return f"shard {shard.name}: {_told(refused)}"
    except (OSError, http.client.HTTPException) as error:
        return f"shard {shard.name} must answer within {_ANSWER_S:g} s, did not: {error}"
    return None


def _told(refused: urllib.error.HTTPError) -> str:
    with refused:
        if refused.code != _UNAVAILABLE:
            return str(refused)
        return str(cast("Mapping[str, object]", json.loads(refused.read()))["problem"])


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:  # noqa: S310 - our own child on loopback
        return bytes(answer.read())
