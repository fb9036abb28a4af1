"""Our message sinks as Bytewax sinks whose delivery is verified before an epoch counts.

Always a fixed-partitioned sink: with recovery on, Bytewax does not wait for a dynamic one and loses its output.
"""

from __future__ import annotations

from time import perf_counter

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from pynomaly.application.output import Output
from pynomaly.application.ports import MessageWriter
from pynomaly.application.telemetry import Telemetry
from pynomaly_flows.parcel import Parcel, unpack

_ONLY_PART = "all"


class OutputPartition(StatefulSinkPartition[Parcel, bytes]):
    """The open end of one output."""

    def __init__(self, name: str, writer: MessageWriter, telemetry: Telemetry) -> None:
        self._name = name
        self._writer = writer
        self._telemetry = telemetry
        self._unconfirmed = 0

    def write_batch(self, values: list[Parcel]) -> None:
        """Queue messages; they go out at once and count when the epoch does."""
        for messages in map(unpack, values):
            self._writer.write(messages)
            self._unconfirmed += len(messages)

    def snapshot(self) -> bytes:
        """Wait until all messages of the epoch are delivered, and return where the output stands.

        Raises
        ------
        DeliveryError
            When one is not: the epoch must not become durable.
        """
        since = perf_counter()
        self._writer.flush()
        self._telemetry.events_delivered(self._name, self._unconfirmed, perf_counter() - since)
        self._unconfirmed = 0
        return self._writer.position()

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()


class OutputSink(FixedPartitionedSink[Parcel, bytes]):
    """One output of a flow, with a single partition.

    Raises
    ------
    PynomalyError
        When the output cannot be written to: said here, before Bytewax starts, it is said without a stack trace.
    """

    def __init__(self, output: Output, telemetry: Telemetry) -> None:
        output.sink.check()
        self._output = output
        self._telemetry = telemetry

    def list_parts(self) -> list[str]:
        """Name the only partition."""
        return [_ONLY_PART]

    def part_fn(self, item_key: str) -> int:  # noqa: ARG002
        """Send everything to the only partition."""
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> OutputPartition:  # noqa: ARG002
        """Open the output where it stood."""
        return OutputPartition(self._output.name, self._output.sink.open(resume_state), self._telemetry)
