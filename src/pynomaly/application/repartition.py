"""The first stage of a flow whose input is not keyed: every record is copied to the partition of its series.

The docstrings of the protocols are the contract that every adapter keeps.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

from pynomaly.domain.record import RecordBatch

#: What a process does of such a flow: copy records, judge them, or both.
Stage = Literal["repartition", "detect"]

#: Name of the copies among the outputs of a flow, in metrics and counts.
BY_SERIES: Final = "by-series"


class RecordCopier(Protocol):
    """The open end of the topic by series. Copies count only after `flush` has returned."""

    def copy(self, batch: RecordBatch) -> None:
        """Queue a copy of each record for the partition of its series, in order; may block for back-pressure.

        A copy says which record it is of. What is lost is lost with everything behind it: into no partition does a
        later record of the same input partition go once an earlier one has failed.

        Raises
        ------
        DeliveryError
            When an earlier copy has failed for good.
        AccessError
            When we may no longer write there.
        """
        ...

    def flush(self) -> None:
        """Return when every copy is durable.

        Raises
        ------
        DeliveryError
            When one of them is not, permanently or after the configured bound.
        AccessError
            When we may no longer write there.
        """
        ...

    def position(self) -> bytes:
        """Return which topic the copies went to, for `CopySink.open`."""
        ...

    def close(self) -> None:
        """Release whatever is held; may be called twice."""
        ...


class CopySink(Protocol):
    """The topic by series."""

    @property
    def where(self) -> str:
        """Where an operator finds it."""
        ...

    def check(self) -> None:
        """Look whether copies can go there, and make nothing.

        Raises
        ------
        PynomalyError
            With what to do, when they cannot.
        """
        ...

    def open(self, position: bytes | None) -> RecordCopier:
        """Open it.

        Raises
        ------
        StateError
            When it is another one than ``position`` says, or has another number of partitions.
        """
        ...
