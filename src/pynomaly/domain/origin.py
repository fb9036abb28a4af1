"""Where a record stood before it came into the stream that it is judged in.

A flow that orders its input by series reads a topic into which its repartitioner has copied the records. There each
record says which record of the input it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Columns of `Origins.place`.
ID_HIGH, ID_LOW, PARTITION, OFFSET = range(4)
_NOWHERE: Final = -1
_WRITTEN: Final = re.compile(r"(?P<topic>.+)\[(?P<partition>\d+)\]@(?P<offset>\d+)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Origin:
    """One record of the input.

    >>> Origin.parse(str(Origin("readings", 2, 4711)))
    Origin(topic='readings', partition=2, offset=4711)
    """

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read what `str` gives.

        Raises
        ------
        ValueError
            When it is something else.
        """
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise ValueError(f"origin must be TOPIC[PARTITION]@OFFSET, was {text!r}")
        return cls(written["topic"], int(written["partition"]), int(written["offset"]))

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class Origins:
    """Where ``n`` records stood in the input.

    Parameters
    ----------
    topic
        Name of the input.
    place
        ``(n, 4)`` the topic's id (its first and its last 8 bytes), partition and offset; an offset of -1 in rows that
        do not say.
    """

    topic: str
    place: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.place)

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """``(n,)`` which records do not say."""
        told: NDArray[np.bool_] = self.place[:, OFFSET] == _NOWHERE
        return told

    def at(self, row: int) -> Origin | None:
        """Return the origin of one record; None if it does not say."""
        partition, offset = (int(self.place[row, column]) for column in (PARTITION, OFFSET))
        return None if offset == _NOWHERE else Origin(self.topic, partition, offset)

    def slice(self, start: int, stop: int) -> Origins:
        """Return rows ``start:stop`` as views."""
        return Origins(self.topic, self.place[start:stop])
