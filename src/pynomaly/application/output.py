"""An output of a flow: which messages a result makes, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.ports import Message, MessageSink

Encode = Callable[[DetectionResult], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Output:
    """One output.

    Parameters
    ----------
    name
        Stable name: it is a key of the recovery store and a metric label.
    sink
        Where its messages go.
    encode
        Pure function of a result: equal results give equal messages.
    """

    name: str
    sink: MessageSink
    encode: Encode
