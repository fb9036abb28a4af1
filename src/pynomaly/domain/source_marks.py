"""Which records of a stream were copied into it twice: those at or below the mark of where they come from.

A repartitioner copies records, each with its origin, and after a crash begins again at an earlier one. Rules:

1. From each partition of the input, what goes into one stream goes in ascending order of offsets, without a gap, from
   some offset before which nothing is missing. A repartitioner that starts again does so too, and so does a second one
   that does not know of the first.
2. Therefore a stream that holds a record of offset ``m`` holds, before it, every earlier one that belongs there.
3. The mark of an input partition is the highest offset seen. A record at or below it is a repeat; one above it is new.

A topic that was deleted and made anew has another id, and marks of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import StateError
from pynomaly.domain.jit import compiled
from pynomaly.domain.origin import ID_HIGH, ID_LOW, OFFSET, PARTITION, Origins
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import ByteColumn, Int64Column
from pynomaly.domain.state import StateImage

#: Most incarnations of the input, and most partitions of one: a header that anybody can write must not take all memory.
MOST_TOPICS: Final = 64
MOST_PARTITIONS: Final = 100_000
#: Memory of a mark: each incarnation of the input has one for every partition [bytes].
MARK_BYTES: Final = 8

_REPEATED: Final = int(Reason.REPEATED_ORIGIN)
_UNKNOWN: Final = int(Reason.NO_ORIGIN)
_NONE: Final = -1
_FEWEST_PARTITIONS: Final = 16

Int64Matrix = NDArray[np.int64]
MarkResent = Callable[..., int]  # the signature of `mark_resent`


@compiled
def mark_resent(place: Int64Matrix, refusal: ByteColumn, first: int, topics: Int64Matrix, marks: Int64Matrix) -> int:
    """Judge rows from ``first`` on; return the first row whose origin has no mark yet, or the row count.

    Parameters
    ----------
    place
        ``(n, 4)`` origins; see `Origins`.
    refusal
        ``(n,)`` reasons; a repeat gets its own.
    topics
        ``(t, 2)`` ids of the known incarnations of the input.
    marks
        ``(t, p)`` highest offset seen, by incarnation and partition.
    """
    topic = 0
    for i in range(first, len(place)):
        offset, partition = place[i, OFFSET], place[i, PARTITION]
        if offset < 0:
            continue
        if topic >= len(topics) or topics[topic, 0] != place[i, ID_HIGH] or topics[topic, 1] != place[i, ID_LOW]:
            topic = 0
            while topic < len(topics) and (
                topics[topic, 0] != place[i, ID_HIGH] or topics[topic, 1] != place[i, ID_LOW]
            ):
                topic += 1
        if topic == len(topics) or partition >= marks.shape[1]:
            return i
        if offset <= marks[topic, partition]:
            refusal[i] = _REPEATED
        else:
            marks[topic, partition] = offset
    return len(place)


class SourceMarks:
    """The marks of one stream.

    Costs 3 ns a record, and `MARK_BYTES` for each partition of the input.

    Parameters
    ----------
    mark
        Compiled `mark_resent`; by default compiled in this process.
    """

    def __init__(self, mark: MarkResent = mark_resent) -> None:
        self._mark = mark
        self._topics = np.zeros((0, 2), np.int64)
        self._marks = np.zeros((0, _FEWEST_PARTITIONS), np.int64)

    def mark(self, origins: Origins, refusal: ByteColumn) -> None:
        """Refuse the repeats among ``n`` records in ``refusal``, and those that do not say where they come from.

        Parameters
        ----------
        origins
            Of the records, in the order of the stream.
        refusal
            ``(n,)`` reasons of records that cannot be used, else 0; whatever else is wrong, a repeat is a repeat.
        """
        refusal[origins.unknown] = _UNKNOWN
        row = self._marked(origins.place, refusal, 0)
        while row < len(origins):
            if not self._make_room(origins.place[row]):
                refusal[row] = _UNKNOWN
                row += 1
            row = self._marked(origins.place, refusal, row)

    def snapshot(self) -> StateImage:
        """Return the marks; equal for equal records."""
        return StateImage({}, {"topics": self._topics.copy(), "marks": self._marks.copy()})

    def restore(self, image: StateImage) -> None:
        """Take over a snapshot.

        Raises
        ------
        StateError
            When its parts do not fit together.
        """
        sections = image.sections
        if set(sections) != {"topics", "marks"} or len(sections["topics"]) != len(sections["marks"]):
            raise StateError("saved marks of the input must be consistent, were not: the state is damaged")
        self._topics, self._marks = sections["topics"].copy(), sections["marks"].copy()

    def _marked(self, place: Int64Matrix, refusal: ByteColumn, first: int) -> int:
        return self._mark(place, refusal, first, self._topics, self._marks)

    def _make_room(self, origin: Int64Column) -> bool:
        """Add an incarnation or partitions for one more origin; return whether the bounds allow it."""
        partition, identity = int(origin[PARTITION]), origin[[ID_HIGH, ID_LOW]]
        known = bool((self._topics == identity).all(axis=1).any())
        if partition >= MOST_PARTITIONS or (not known and len(self._topics) == MOST_TOPICS):
            return False
        if not known:
            self._topics = np.vstack([self._topics, identity])
        width = self._marks.shape[1]
        while width <= partition:
            width *= 2
        marks = np.full((len(self._topics), width), _NONE, np.int64)
        rows, columns = self._marks.shape
        marks[:rows, :columns] = self._marks
        self._marks = marks
        return True
