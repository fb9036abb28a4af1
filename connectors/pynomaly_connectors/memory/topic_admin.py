"""The topics of an in-memory broker."""

from __future__ import annotations

from pynomaly.application.topics import FoundTopic, TopicWish
from pynomaly.domain.error import MissingInputError
from pynomaly_connectors.memory.broker import broker


class MemoryTopicAdmin:
    """One in-memory broker: its topics have partitions, one copy and no settings."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def where(self) -> str:
        """Which broker."""
        return f"in-memory broker {self._name}"

    def default_replication(self) -> int:
        """Return 1."""
        return 1

    def find(self, name: str) -> FoundTopic | None:
        """Return a topic as it is."""
        try:
            return FoundTopic(len(broker(self._name).streams(name)), 1, {})
        except MissingInputError:
            return None

    def create(self, wish: TopicWish) -> bool:
        """Make a topic."""
        existed = self.find(wish.name) is not None
        broker(self._name).create_topic(wish.name, wish.partitions)
        return not existed
