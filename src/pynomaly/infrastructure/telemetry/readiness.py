"""Whether a flow can do its work right now: what /ready answers from."""

from __future__ import annotations

from typing import Final

from pynomaly.domain.record import Stream
from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat

_PATIENCE_S: Final = 3.0


class Readiness:
    """What keeps a flow from reading, judging and delivering.

    Rules:

    1. A flow is not ready before an input is open.
    2. It is not while an input does not answer, or an output is known not to.
    3. It is not while its loop has not come round for 3 s: then it waits for an output, a checkpoint or a fit.

    A flow that is not ready may mend by itself; one that is not healthy (`Heartbeat.problem`) will not.

    Parameters
    ----------
    heartbeat
        Of the loop.
    """

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._outages: dict[Stream, str | None] = {}
        self._outputs: dict[str, str | None] = {}

    def set(self, stream: Stream, outage: str | None) -> None:
        """Take note that a stream is open, and of what keeps its input from answering."""
        self._outages[stream] = outage

    def set_output(self, output: str, outage: str | None) -> None:
        """Take note of what keeps an output from answering."""
        self._outputs[output] = None if outage is None else f"output {output}: {outage}"

    def problem(self) -> str | None:
        """Say what is missing, or None while nothing is; may be called from any thread."""
        if not self._outages:
            return "input must be open, is being looked for: the flow starts"
        outage = next(filter(None, [*self._outages.values(), *self._outputs.values()]), None)
        silent_s = self._heartbeat.silent_s
        if outage is None and silent_s > _PATIENCE_S:
            return (
                f"input must be polled every {_PATIENCE_S:g} s, was polled {silent_s:.0f} s ago: the flow waits for "
                "an output, a checkpoint or a fit"
            )
        return outage
