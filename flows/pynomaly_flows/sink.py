"""Our message sinks as Bytewax sinks whose delivery is verified before an epoch counts."""

from __future__ import annotations

from functools import partial

from bytewax.outputs import StatefulSinkPartition

from pynomaly.application.output import Output
from pynomaly.application.ports import MayBeAway, MessageWriter
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import RejectionError
from pynomaly_flows.delivery import Delivery, OnePartSink
from pynomaly_flows.foreseen import foreseen
from pynomaly_flows.idle_outputs import IdleOutputs
from pynomaly_flows.parcel import Parcel, unpack


class OpenOutputs:
    """The outputs of a flow, which end it when it was stopped and all of them have delivered.

    In a cluster some of them are open in other processes; each then ends its own process with the epoch.
    """

    def __init__(self) -> None:
        self._waiting: set[str] = set()

    def add(self, name: str) -> None:
        """Take note of an output; it may open later than another one has its first messages."""
        self._waiting.add(name)

    def delivered(self, name: str, stopped: RejectionError) -> None:
        """Take note that an output has delivered all that comes before the stop.

        Raises
        ------
        RejectionError
            When it was the last one.
        """
        self._waiting.discard(name)
        if not self._waiting:
            raise stopped


class OutputPartition(StatefulSinkPartition[Parcel, bytes]):
    """The open end of one output."""

    def __init__(
        self, name: str, writer: MessageWriter, telemetry: Telemetry, opened: OpenOutputs, idle: IdleOutputs
    ) -> None:
        self._opened = opened
        self._idle = idle
        self._name = name
        self._writer = writer
        self._delivery = Delivery(name, telemetry)
        self._stopped: RejectionError | None = None
        if isinstance(writer, MayBeAway):
            idle.join(name, partial(self._delivery.attend, writer.idle))

    @foreseen
    def write_batch(self, values: list[Parcel]) -> None:
        """Queue messages; they go out at once and count when the epoch does.

        Raises
        ------
        DeliveryError, AccessError
            When one is refused.
        RejectionError
            When a stream was stopped and this is the last output to deliver what comes before: so the epoch never
            becomes durable, and what was wrong can be read in the dead letters all the same.
        """
        for item in map(unpack, values):
            if isinstance(item, RejectionError):
                self._stopped = item
                self._deliver()
                self._opened.delivered(self._name, item)
            else:
                self._delivery.queue(partial(self._writer.write, item), len(item))

    @foreseen
    def snapshot(self) -> bytes:
        """Wait until all messages of the epoch are delivered, and return where the output stands.

        Raises
        ------
        DeliveryError, AccessError
            When one is not: the epoch must not become durable.
        RejectionError
            When a stream was stopped in it: nor must this one.
        """
        if self._stopped is not None:
            raise self._stopped
        self._deliver()
        return self._writer.position()

    def close(self) -> None:
        """Close the writer."""
        self._idle.leave(self._name)
        self._delivery.close(self._writer.close)

    def _deliver(self) -> None:
        self._delivery.confirm(self._writer.flush)


class OutputSink(OnePartSink[Parcel]):
    """One output of a flow, with a single partition.

    Raises
    ------
    PynomalyError
        When the output cannot be written to: said here, before Bytewax starts, it is said without a stack trace.
    """

    def __init__(
        self, output: Output, telemetry: Telemetry, opened: OpenOutputs, idle: IdleOutputs | None = None
    ) -> None:
        output.sink.check()
        opened.add(output.name)
        self._idle = IdleOutputs() if idle is None else idle
        self._opened = opened
        self._output = output
        self._telemetry = telemetry

    @foreseen
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> OutputPartition:  # noqa: ARG002
        """Open the output where it stood."""
        writer = self._output.sink.open(resume_state)
        return OutputPartition(self._output.name, writer, self._telemetry, self._opened, self._idle)
