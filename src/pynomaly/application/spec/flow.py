"""A whole flow: what an operator writes, validated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Final, cast

from pydantic import Field, model_validator

from pynomaly.application.spec.alert import AlertSpec, levels_of
from pynomaly.application.spec.check import alert_defaults, broken_rules, parts_of, reach, scored_fields
from pynomaly.application.spec.complaint import as_validation_error
from pynomaly.application.spec.dataset import DATASET_RECORDS
from pynomaly.application.spec.dedupe import DedupeSpec, identified_record
from pynomaly.application.spec.detect import PartSpec, PlacedPart
from pynomaly.application.spec.duration import Duration, duration_key
from pynomaly.application.spec.entry import EntrySpec
from pynomaly.application.spec.limits import LimitsSpec
from pynomaly.application.spec.option import from_options
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.repartition import routed_record
from pynomaly.application.spec.section import Section
from pynomaly.application.spec.sink import OutputSpec
from pynomaly.application.spec.source import KafkaSource, SourceSpec
from pynomaly.application.spec.state import StateSpec
from pynomaly.application.spec.window import WindowSpec
from pynomaly.domain.alert_policy import AlertPolicyOptions, CombinationOptions, PersistenceOptions
from pynomaly.domain.outcome import Level

_ADDRESS: Final = r"^(([^:\s\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5})?$"

#: What of a source decides about records and ids: how to reach it and how much to read at once do not.
_IDENTITY_OF_SOURCE: Final = {"kind", "topic", "path", "name", "format", "delimiter"}
_IDENTITY_OF_SCHEMAS: Final = {"reader_version", "check_records"}
_DECIDES: Final = {"flow", "record", "window", "detectors", "combine", "persistence"}

#: Where a flow stops changes no score, and whoever raises the limit goes on with the state.
_LIMITS_THAT_DECIDE_NOTHING: Final = {"rejected"}


class CheckpointSpec(Section):
    """When state becomes durable."""

    every_ns: Duration = duration_key("every", "10s")
    """Shortest time from one checkpoint to the next: what a crash makes the flow do again."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Most part of the time that saving state may take: with large states checkpoints become rarer; 1: never rarer."""
    longest_ns: Duration = duration_key("longest", "15m")
    """Longest time from one checkpoint to the next, though saving takes more than its share; no less than `every`."""


class MetricsSpec(Section):
    """Metrics for Prometheus."""

    listen: Annotated[str, Field(max_length=300, pattern=_ADDRESS)] = ""
    """`host:port` of `/metrics`, `/healthz` and `/ready`; empty: off."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; None: off."""
        host, _, port = self.listen.rpartition(":")
        return (host.strip("[]"), int(port)) if self.listen else None


class FlowSpec(Section):
    """From where to read, what to look for, where to alert."""

    flow: Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Name of the flow; part of every alert's id."""
    description: Annotated[str, Field(max_length=10_000)] | None = None
    """What the flow is for, in the operator's words."""
    source: SourceSpec
    """Where records come from."""
    record: RecordSpec
    """How to read a record; left out where a dataset brings it."""
    dedupe: DedupeSpec | None = None
    """How records that were sent twice are told; none: every record counts."""
    window: WindowSpec | None = None
    """Aggregates over event time that detectors see instead of single records; none: every record is scored."""
    detectors: Annotated[tuple[EntrySpec, ...], Field(min_length=1, max_length=100)]
    """What looks for anomalies: names of detectors, or mappings with their options."""
    combine: Annotated[CombinationOptions, from_options(CombinationOptions)] = CombinationOptions()
    """Evidence = the sum over all parts of min(max(severity - soft_threshold, 0), cap)."""
    persistence: Annotated[PersistenceOptions, from_options(PersistenceOptions)] = PersistenceOptions()
    """How many of a series' last records must reach a level before it alerts."""
    alert: AlertSpec = AlertSpec()
    """When evidence becomes an alert."""
    output: OutputSpec
    """Where alerts and everything else go."""
    limits: LimitsSpec = LimitsSpec()
    """Bounds of memory and of rejected records."""
    checkpoint: CheckpointSpec = CheckpointSpec()
    """How often state becomes durable."""
    state: StateSpec = StateSpec()
    """Keys with which saved state is sealed; by default it is not."""
    metrics: MetricsSpec = MetricsSpec()
    """Metrics for Prometheus; off by default."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of what detectors see: the value fields, or with a window their aggregates."""
        return scored_fields(self.record, self.window)

    @property
    def ids(self) -> RecordSpec | None:
        """How the ids of records are read; None: the flow asks for none."""
        return None if self.dedupe is None else identified_record(self.dedupe, self.record)

    @property
    def parts(self) -> tuple[PlacedPart, ...]:
        """The parts in the order in which their severities stand in an outcome."""
        return parts_of(self.detectors, self.record, self.window)

    @property
    def _scored(self) -> tuple[PartSpec, ...]:
        """The entries of `detectors`, with the members of bundles in their place."""
        return tuple({id(part.spec): part.spec for part in self.parts}.values())

    @property
    def policy(self) -> AlertPolicyOptions:
        """The alert policy; a level that the flow does not use is None."""
        defaults = alert_defaults(self.detectors, self.record, self.window)
        return self.alert.policy(reach(self.parts, self.combine), defaults)

    @property
    def levels(self) -> dict[Level, float]:
        """Evidence of each level that is in use, lowest first."""
        return levels_of(self.policy)

    @property
    def evicts(self) -> bool:
        """Whether a new series at the limit displaces an old one; with windows it never does."""
        return self.limits.at_limit == "evict" if self.limits.at_limit is not None else self.window is None

    def fingerprint(self) -> str:
        """Return 32 hexadecimal digits that change whenever scores or alert ids might.

        State of a flow with another fingerprint cannot be continued. Outputs, metrics, checkpoints, batch sizes,
        connections and descriptions do not count; a default counts like the same value written out.
        """
        decides = self.model_dump(mode="json", by_alias=True, include=_DECIDES)
        decides["detectors"] = [spec.model_dump(mode="json", by_alias=True) for spec in self._scored]
        decides["limits"] = {
            **self.limits.model_dump(mode="json", by_alias=True, exclude=_LIMITS_THAT_DECIDE_NOTHING),
            "at_limit": "evict" if self.evicts else "reject",
        }
        decides["source"] = self.source.model_dump(mode="json", include=_IDENTITY_OF_SOURCE)
        if isinstance(self.source, KafkaSource) and self.source.schema_registry is not None:
            decides["schemas"] = self.source.schema_registry.model_dump(mode="json", include=_IDENTITY_OF_SCHEMAS)
        decides["alert"] = {
            **self.alert.model_dump(mode="json", exclude={"levels", "sampling_slope"}),
            **({"sampling_slope": self.policy.sampling_slope} if self.policy.sampling_slope > 0 else {}),
            "levels": {level.label: bar for level, bar in self.levels.items()},
        }
        if isinstance(self.source, KafkaSource) and self.source.by_series is not None:
            decides["by_series"] = self.source.by_series
        if self.dedupe is not None:  # a flow without it has the fingerprint that it had before there was such a key
            decides["dedupe"] = self.dedupe.model_dump(mode="json")
        plugins = {spec.detects_with: spec.plugin.origin for spec in self._scored if spec.plugin is not None}
        if plugins:
            decides["plugins"] = plugins
        text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def routing_fingerprint(self) -> str:
        """Return 32 hexadecimal digits that change whenever a record might be copied to another partition."""
        record = routed_record(self.record).model_dump(mode="json", by_alias=True)
        source = self.source.model_dump(mode="json", include={"topic", "format"})
        by_series = self.source.by_series if isinstance(self.source, KafkaSource) else None
        decides = {"record": record, "source": source, "by_series": by_series}
        text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @model_validator(mode="before")
    @classmethod
    def _record_of_dataset(cls, data: object) -> object:
        return with_dataset_record(data)

    @model_validator(mode="after")
    def _sections_agree(self) -> FlowSpec:
        complaints = broken_rules({name: getattr(self, name) for name in type(self).model_fields})
        if complaints:
            raise as_validation_error("flow", complaints)
        return self


def with_dataset_record(tree: object) -> object:
    """Return the tree of a flow with the record of its dataset, if it reads one and states no record."""
    if not isinstance(tree, Mapping):
        return tree
    sections = cast("Mapping[str, object]", tree)
    record = None if "record" in sections else DATASET_RECORDS.get(str(dataset_of(sections)))
    return sections if record is None else {**sections, "record": record}


def dataset_of(tree: Mapping[str, object]) -> object:
    """Return what the tree of a flow says that its dataset is; None when it reads no dataset."""
    source = tree.get("source")
    if not isinstance(source, Mapping):
        return None
    given = cast("Mapping[str, object]", source)
    return given.get("name", "") if given.get("kind") == "dataset" else None
