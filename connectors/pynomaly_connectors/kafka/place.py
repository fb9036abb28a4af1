"""From places in a topic, as operators name them, to offsets of its partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from pynomaly.application.spec.start import Place, TopicEnd
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.kafka.cluster import Topic

#: Asks a broker for the first offset that a partition holds and the one after the last.
Watermarks = Callable[[int], tuple[int, int]]
#: Asks for the offset of the first record at or after a moment in each of some partitions; None where there is none.
LookUp = Callable[[Sequence[int], datetime], Mapping[int, int | None]]


@dataclass(frozen=True, slots=True)
class Places:
    """Finds offsets in one topic.

    Parameters
    ----------
    topic
        The topic.
    watermarks, look_up
        The brokers' answers.
    key
        What an operator has named the beginning by.
    """

    topic: Topic
    watermarks: Watermarks
    look_up: LookUp
    key: str = "source.start"

    def starts(self, place: TopicEnd | Place, partitions: Sequence[int], *, strict: bool) -> dict[int, int]:
        """Return where each of some partitions begins.

        A partition that a place does not name begins at its first record, one without a record of that moment at its
        end.

        Parameters
        ----------
        place
            As the flow or the command line names it.
        partitions
            Numbers of the partitions.
        strict
            Whether an offset must still be there; else what retention has deleted is for the flow's policy.

        Raises
        ------
        ConfigError
            When the topic has no such partition, or a partition no such offset.
        UnavailableError
            When the cluster is silent or refuses us.
        """
        self._check(place, self.key)
        # Before the moment is looked up: what comes meanwhile lies behind this end, and is read.
        held = {number: self.watermarks(number) for number in partitions}
        match place:
            case "earliest":
                return {number: low for number, (low, _) in held.items()}
            case "latest":
                return {number: high for number, (_, high) in held.items()}
            case datetime():
                found = self.look_up(partitions, place)
                return {number: _or_else(found[number], high) for number, (_, high) in held.items()}
            case int() | dict():
                named = dict.fromkeys(partitions, place) if isinstance(place, int) else place
                self._check_held(named, held, strict=strict)
                return {number: named.get(number, low) for number, (low, _) in held.items()}
            case _:
                assert_never(place)

    def end(self, place: Place, partition: int, high: int) -> int:
        """Return the offset before which a bounded read of one partition ends, at most ``high``.

        Raises
        ------
        ConfigError
            When the topic has no such partition.
        UnavailableError
            When the cluster is silent or refuses us.
        """
        self._check(place, "--to")
        match place:
            case datetime():
                found = self.look_up([partition], place)[partition]
            case int():
                found = place
            case dict():
                found = place.get(partition)
            case _:
                assert_never(place)
        return min(high, _or_else(found, high))

    def _check(self, place: TopicEnd | Place, path: str) -> None:
        unknown = sorted(set(place) - set(self.topic.partitions)) if isinstance(place, dict) else []
        rule = f"must be a partition of topic {self.topic.name}, which has {_listed(self.topic.partitions)}"
        if unknown:
            raise ConfigError(*(Problem(f"{path}.{number}", rule) for number in unknown))

    def _check_held(self, named: Mapping[int, int], held: Mapping[int, tuple[int, int]], *, strict: bool) -> None:
        problems = [
            Problem(
                self.key,
                f"must be an offset that {self.topic.name}[{number}] holds ({low} to {high}), was {named[number]}",
            )
            for number, (low, high) in held.items()
            if number in named and (named[number] > high or (strict and named[number] < low))
        ]
        if problems:
            raise ConfigError(*problems)


def _or_else(offset: int | None, otherwise: int) -> int:
    return otherwise if offset is None else offset


def _listed(partitions: Sequence[int]) -> str:
    return f"partitions {partitions[0]} to {partitions[-1]}" if len(partitions) > 1 else f"partition {partitions[0]}"
