"""Which record somebody asks about, and where it stands in the input."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from pynomaly.application.ports import RecordSource
from pynomaly.application.replay import batches
from pynomaly.domain.error import ConfigError, MissingInputError, Problem
from pynomaly.domain.record import RecordBatch


@dataclass(frozen=True, slots=True)
class Wanted:
    """A record by its place, or the first one from a moment on.

    Parameters
    ----------
    offset
        Its offset in a topic, its row number from 0 in a file; None: it is told by its time.
    partition
        Number of the partition, or path of the file, or the end of it; None: there is only one.
    at_ns
        Event time from which it is the first.
    key
        Its series; None: of any.
    """

    offset: int | None = None
    partition: str | None = None
    at_ns: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """Where a wanted record stands.

    Parameters
    ----------
    partition
        As the source names it.
    offset
        Position in it.
    key
        Its series; None for a record that was refused.
    """

    partition: str
    offset: int
    key: str | None


def locate(source: RecordSource, wanted: Wanted) -> FoundRecord:
    """Find a record by decoding the input, without judging it.

    Raises
    ------
    ConfigError
        When the partition is not told and there are several, or none is called so.
    MissingInputError
        When there is no such record.
    """
    for partition in _partitions(source.partitions(), wanted):
        with closing(source.open(partition, None, bounded=True)) as reader:
            for batch in batches(reader):
                row = _row(batch, wanted)
                if row is not None:
                    accepted = batch.refusal[row] == 0
                    return FoundRecord(partition, int(batch.offset[row]), batch.key[row].decode() if accepted else None)
    raise MissingInputError(f"the input must hold {_described(wanted)}, held none")


def _partitions(names: Sequence[str], wanted: Wanted) -> Sequence[str]:
    """Return the partitions in which the record may be."""
    given = wanted.partition
    if given is not None:
        called = [name for name in names if name == given or name.endswith((f":{given}", f"/{given}"))]
        if len(called) != 1:
            rule = f"must begin with one partition of the input, {_some(names)}, was {given!r}"
            raise ConfigError(Problem("--offset", rule))
        return called
    if wanted.offset is not None and len(names) > 1:
        rule = f"must tell the partition too, as PARTITION:{wanted.offset}: the input has {_some(names)}"
        raise ConfigError(Problem("--offset", rule))
    return names


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _row(batch: RecordBatch, wanted: Wanted) -> int | None:
    """Return the row of the record in a batch; None: it is not there."""
    if wanted.offset is not None:
        row = int(np.searchsorted(batch.offset, wanted.offset))
        return row if row < len(batch) and batch.offset[row] == wanted.offset else None
    late_enough = np.flatnonzero((batch.refusal == 0) & (batch.time_ns >= (wanted.at_ns or 0)))
    key = None if wanted.key is None else wanted.key.encode()
    return next((row for row in late_enough.tolist() if key is None or batch.key[row] == key), None)


def _described(wanted: Wanted) -> str:
    if wanted.offset is not None:
        return f"a record at {wanted.offset}"
    series = "" if wanted.key is None else f" of series {wanted.key!r}"
    return f"a record{series} at that time or later"
