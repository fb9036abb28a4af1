"""Which records of a partition a flow has passed over because retention deleted them before they were read.

What was skipped cannot be told from the records, so it is written down before reading goes on. Rules:

1. A gap stands in the ledger, durably, before a record behind it is read.
2. A flow that dies after a gap and before the next checkpoint meets the loss again, from an older position. It goes on
   at the same record as before if that is still there: the alerts of the records behind it may be out already.
3. What the older position loses is one gap then; those that lie in it, and what was read between them, are forgotten by
   the state, so the ledger forgets them too.
4. A partition keeps its latest 1,000 gaps; of earlier ones only their number and sum are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.seal import UNSEALED, Seals
from pynomaly_connectors.sealed_file import read_sealed, replace_sealed

_VERSION: Final = 1
_MOST_GAPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets ``first`` up to, but without, ``end`` of one partition."""

    first: int
    end: int

    @property
    def offsets(self) -> int:
        """How many offsets were passed over: at least as many as records, for compaction leaves holes."""
        return self.end - self.first


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps of one partition.

    Parameters
    ----------
    latest
        By ascending offset.
    earlier, earlier_offsets
        How many gaps came before these, and the sum of their offsets.
    """

    latest: tuple[Gap, ...] = ()
    earlier: int = 0
    earlier_offsets: int = 0

    @property
    def count(self) -> int:
        """Number of gaps."""
        return self.earlier + len(self.latest)

    @property
    def offsets(self) -> int:
        """Offsets in all gaps."""
        return self.earlier_offsets + sum(gap.offsets for gap in self.latest)

    def resumption(self, offset: int) -> int | None:
        """Return where a flow that is back at ``offset`` went on last; None if it met no gap after it."""
        return self.latest[-1].end if self.latest and self.latest[-1].end > offset else None

    def with_gap(self, gap: Gap) -> Gaps:
        """Return the gaps with one more, which takes the place of those that it covers."""
        kept = [*(known for known in self.latest if known.first < gap.first), gap]
        leaving = kept[:-_MOST_GAPS]
        return Gaps(
            tuple(kept[-_MOST_GAPS:]),
            self.earlier + len(leaving),
            self.earlier_offsets + sum(known.offsets for known in leaving),
        )

    def to_bytes(self) -> bytes:
        """Return the content of the partition's file."""
        latest = [[gap.first, gap.end] for gap in self.latest]
        earlier = {"gaps": self.earlier, "offsets": self.earlier_offsets}
        return orjson.dumps({"earlier": earlier, "gaps": latest, "version": _VERSION})

    @classmethod
    def from_bytes(cls, content: bytes) -> Gaps:
        """Read what `to_bytes` wrote.

        Raises
        ------
        ValueError
            When it is something else.
        """
        match orjson.loads(content):
            case {"earlier": {"gaps": int(count), "offsets": int(offsets)}, "gaps": list(gaps), "version": 1}:
                return cls(tuple(Gap(int(first), int(end)) for first, end in gaps), count, offsets)
            case _:
                raise ValueError(f"not of version {_VERSION}")


class GapLedger:
    """A folder with one file for each partition that has lost records; each has one process that reads it.

    Parameters
    ----------
    folder
        Lives and dies with the flow's state; made when it is needed.
    seals
        Of the folder.
    """

    def __init__(self, folder: Path, seals: Seals = UNSEALED) -> None:
        self._folder = folder
        self._seals = seals

    def path(self, topic: str, partition: int) -> Path:
        """Return the file of a partition, which need not exist."""
        return self._folder / f"{topic}.{partition}.gaps"

    def read(self, topic: str, partition: int) -> Gaps:
        """Return the gaps of a partition.

        Raises
        ------
        StateError
            When the file is damaged, or its seal does not hold.
        UnavailableError
            When it cannot be read.
        """
        path = self.path(topic, partition)
        try:
            return Gaps.from_bytes(read_sealed(path, self._seals)) if path.exists() else Gaps()
        except OSError as error:
            raise _unusable(path, error) from None
        except (ValueError, TypeError):
            raise StateError(
                f"{path} must say which records the flow has skipped, was damaged or of another version: restore the "
                "state folder from a backup, or start over with --reset-state"
            ) from None

    def write(self, topic: str, partition: int, gaps: Gaps) -> None:
        """Keep the gaps of a partition; return when they are durable.

        Raises
        ------
        UnavailableError
            When the folder cannot be written.
        """
        path = self.path(topic, partition)
        try:
            replace_sealed(path, gaps.to_bytes(), self._seals)
        except OSError as error:
            raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"{path} must be a file that can be read and written, was not: {error.strerror}; look at the permissions and "
        "the free space of the state folder"
    )
