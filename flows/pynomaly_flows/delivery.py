"""What goes out in an epoch and counts with it: verified, told to telemetry, and closed without another error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, TypeVar

from bytewax.outputs import FixedPartitionedSink

from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import AccessError, DeliveryError, PynomalyError

ItemT = TypeVar("ItemT")
_ONLY_PART: Final = "all"
_log = logging.getLogger(__name__)


class OnePartSink(FixedPartitionedSink[ItemT, bytes]):
    """A sink with a single partition.

    Always a fixed-partitioned one: with recovery on, Bytewax does not wait for a dynamic sink and loses its output.
    """

    def list_parts(self) -> list[str]:
        """Name the only partition."""
        return [_ONLY_PART]

    def part_fn(self, item_key: str) -> int:  # noqa: ARG002
        """Send everything to the only partition."""
        return 0


class Delivery:
    """The deliveries of one output.

    Parameters
    ----------
    output
        Its name.
    telemetry
        Told of what is delivered, and of what is refused.
    """

    def __init__(self, output: str, telemetry: Telemetry) -> None:
        self._output = output
        self._telemetry = telemetry
        self._unconfirmed = 0
        self._failure: AccessError | DeliveryError | None = None

    def queue(self, write: Callable[[], None], count: int) -> None:
        """Queue messages by a call.

        Raises
        ------
        DeliveryError, AccessError
            When one is refused.
        """
        with self._counting_failures():
            write()
        self._unconfirmed += count

    def attend(self, idle: Callable[[], str | None]) -> str | None:
        """Serve an output to which nothing is written, by a call; return what keeps it from answering.

        Raises
        ------
        DeliveryError, AccessError
            When something that was queued has failed for good.
        """
        with self._counting_failures():
            return idle()

    def confirm(self, flush: Callable[[], None]) -> None:
        """Wait, by a call, until everything that was queued is delivered.

        Raises
        ------
        DeliveryError, AccessError
            When something is not: the epoch must not become durable.
        """
        since = perf_counter()
        with self._counting_failures():
            flush()
        self._telemetry.events_delivered(self._output, self._unconfirmed, perf_counter() - since)
        self._unconfirmed = 0

    def close(self, close: Callable[[], None]) -> None:
        """Close the output by a call; it need not succeed, for whatever counts was delivered before.

        Bytewax closes in the middle of an error, too, and aborts the process if that raises another one.
        """
        try:
            close()
        except PynomalyError as error:
            _log.warning("output_not_closed", extra={"output": self._output, "error": str(error)})

    @contextmanager
    def _counting_failures(self) -> Generator[None]:
        """Tell of what is refused; the error goes on and stops the flow."""
        try:
            yield
        except (AccessError, DeliveryError) as error:
            if error is not self._failure:  # a writer that is broken raises it again
                self._failure = error
                self._tell(error)
            raise

    def _tell(self, error: AccessError | DeliveryError) -> None:
        """Count a failure, where nobody may be in time to scrape it, in the log and in the last words of the flow."""
        self._telemetry.delivery_failed(self._output, error.messages)
        _log.error("delivery_failed", extra={"output": self._output, "messages": error.messages})
        if error.messages > 0:
            error.args = (f"{error} ({error.messages:,} messages of output {self._output} were not confirmed)",)
