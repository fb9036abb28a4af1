"""The Python SDK's other half: alerts that a flow has written, for programs that act on them.

>>> import pynomaly
>>> from pynomaly_connectors.memory import broker
>>> broker().create_topic("no-alerts-yet")
>>> with pynomaly.read_alerts({"kind": "memory", "topic": "no-alerts-yet"}, until_end=True) as alerts:
...     [(alert.level.label, alert.series) for alert in alerts]
[]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pynomaly.application.alert_reader import MEMORY, AlertReader, AlertReading
from pynomaly.application.event_log import Start
from pynomaly.application.spec.parse_sink import parse_sink
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.operations import event_log
from pynomaly_connectors.codecs.cloudevents_reading import read_event


def read_alerts(
    output: str | Path | Mapping[str, object],
    *,
    position: bytes | None = None,
    start: Start = "earliest",
    memory: int = MEMORY,
    until_end: bool = False,
    environment: Mapping[str, str] | None = None,
) -> AlertReader:
    """Read the alerts of a flow, each once.

    Parameters
    ----------
    output
        The flow's file, whose `output.alerts` is read; or a mapping as it stands there, such as
        ``{"kind": "kafka", "bootstrap": "localhost:9092", "topic": "alerts"}``.
    position
        Where to go on: what `AlertReader.position` said when the effects of the last alert were stored with it.
    start
        Where to begin without a position: at the `earliest` alert that is there, or with the next one (`latest`).
    memory
        How many offsets a repeat may lie behind its first copy. More than a flow writes to one partition in two
        checkpoints is enough; a repeat from further back is handed out again.
    until_end
        Stop at the end that the output has now, instead of waiting for more.
    environment
        What references in the flow's file refer to: the variables of the process, most of the time.

    Returns
    -------
    A context manager that yields `AnomalyDetected` values; or ask it for what is there with `poll`.

    Raises
    ------
    ConfigError
        When the output cannot be read back, or the file is wrong.
    UnavailableError
        When it is missing, or does not answer.
    StateError
        When the position is of another output, or of a topic that was deleted and created again.
    """
    if isinstance(output, str | Path):
        sink = load_flow(Path(output), environment or {}).output.alerts
    else:
        sink = parse_sink(output)
    reading = AlertReading(position, start, memory=memory, until_end=until_end)
    return AlertReader(event_log(sink), read_event, reading)
