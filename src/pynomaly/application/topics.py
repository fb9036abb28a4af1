"""The topics that a flow needs: which, with what settings, and how they compare with those that exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol

Role = Literal["input", "by_series", "alerts", "dead_letters", "late"]

_DAY_MS: Final = 86_400_000

#: How long each keeps its records [days]: alerts for as long as somebody asks about one, letters until they are mended.
RETENTION_DAYS: Final[Mapping[Role, int]] = {"input": 7, "by_series": 7, "alerts": 90, "dead_letters": 30, "late": 30}
#: The input's partitions are the units of order, state and replay. One partition keeps all of an output in one order.
PARTITIONS: Final[Mapping[Role, int]] = {"input": 4, "by_series": 4, "alerts": 1, "dead_letters": 1, "late": 1}
#: What a topic takes by default, and room for the header of a copy: the largest record of the input must fit.
_COPY_BYTES: Final = 1_048_588 + 4_096


@dataclass(frozen=True, slots=True)
class TopicWish:
    """A topic as it would be made.

    Parameters
    ----------
    name
        Its name.
    partitions
        Number of partitions.
    replication
        Copies of each.
    settings
        Its configuration by Kafka's names.
    """

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as it is; settings that its cluster does not know are not there."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


class TopicAdmin(Protocol):
    """One cluster, to look at its topics and make some."""

    @property
    def where(self) -> str:
        """Which cluster."""
        ...

    def default_replication(self) -> int:
        """Return how many copies the cluster makes of a topic for which nobody says."""
        ...

    def find(self, name: str) -> FoundTopic | None:
        """Return a topic as it is; None if there is none.

        Raises
        ------
        UnavailableError
            Within the connection's bound, when the cluster is silent or refuses us.
        """
        ...

    def create(self, wish: TopicWish) -> bool:
        """Make a topic; return whether it was this call that made it.

        Raises
        ------
        ConfigError
            When the cluster cannot make one like this.
        UnavailableError
            When it is silent or refuses us.
        """
        ...


@dataclass(frozen=True, slots=True)
class NeededTopic:
    """A topic that a flow names, and the cluster that it belongs to."""

    role: Role
    name: str
    admin: TopicAdmin


@dataclass(frozen=True, slots=True)
class TopicOptions:
    """What an operator says of topics that are made; None: the cluster's replication, and ours of the rest.

    The number of partitions is that of the input and of the topic by series.
    """

    replication: int | None = None
    input_partitions: int | None = None
    retention_days: int | None = None


class State(Enum):
    """What became of a topic."""

    CREATED = "created"
    MISSING = "missing"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What became of one topic, and in what an existing one differs from what would be made."""

    role: Role
    wish: TopicWish
    where: str
    state: State
    differences: tuple[str, ...] = ()


def create_topics(
    needed: Iterable[NeededTopic], options: TopicOptions, *, dry_run: bool = False
) -> Iterator[TopicReport]:
    """Make the topics that do not exist; change none that does. Repeating it makes nothing more."""
    for one in needed:
        wish = _wish(one, options)
        found = one.admin.find(one.name)
        if found is None and dry_run:
            yield TopicReport(one.role, wish, one.admin.where, State.MISSING)
            continue
        if found is None and one.admin.create(wish):
            yield TopicReport(one.role, wish, one.admin.where, State.CREATED)
            continue
        found = found or one.admin.find(one.name)
        differences = () if found is None else tuple(_differences(wish, found))
        yield TopicReport(one.role, wish, one.admin.where, State.EXISTS, differences)


def _wish(needed: NeededTopic, options: TopicOptions) -> TopicWish:
    replication = options.replication or needed.admin.default_replication()
    partitions = options.input_partitions if needed.role in ("input", "by_series") else None
    days = options.retention_days or RETENTION_DAYS[needed.role]
    settings = {
        # Not compacted: the key is the series, so compaction would keep only the latest record of each.
        "cleanup.policy": "delete",
        "retention.ms": str(days * _DAY_MS),
        # Of three copies one may be away; of fewer, none can without a loss or a stop.
        "min.insync.replicas": "2" if replication >= 3 else "1",
        "message.timestamp.type": "CreateTime",
    }
    if needed.role == "by_series":
        settings["max.message.bytes"] = str(_COPY_BYTES)
    return TopicWish(needed.name, partitions or PARTITIONS[needed.role], replication, settings)


def _differences(wish: TopicWish, found: FoundTopic) -> Iterator[str]:
    pairs = {
        "partitions": (str(wish.partitions), str(found.partitions)),
        "replication": (str(wish.replication), str(found.replication)),
        **{name: (value, found.settings[name]) for name, value in wish.settings.items() if name in found.settings},
    }
    for name, (wished, is_now) in pairs.items():
        if wished != is_now:
            yield f"{name} is {is_now}, would be made with {wished}"
