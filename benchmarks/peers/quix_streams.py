"""Quix Streams with its durable store: RocksDB, a changelog topic, a commit every ten seconds.

    python quix_streams.py BOOTSTRAP TOPIC ALERT_TOPIC STATE

Runs in an environment of its own, because it pins older versions of libraries that pynomaly uses. Ends when nothing has
come for some seconds, which take next to no CPU.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from input_end import FAST_READING
from quixstreams import Application, State
from recursion import BAR, NEW, step

_SILENCE_S = 5.0


def _judge(record: dict[str, Any], state: State) -> dict[str, Any] | None:
    following, score = step(tuple(state.get("z", NEW)), record["value"])
    state.set("z", following)
    return {**record, "score": score} if score > BAR or score < -BAR else None


def main(bootstrap: str, topic: str, alert_topic: str, state: str) -> None:
    """Run to the end of the input."""
    application = Application(
        broker_address=bootstrap,
        consumer_group=f"quix-{alert_topic}",
        state_dir=state,
        auto_offset_reset="earliest",
        commit_interval=10.0,
        consumer_extra_config=FAST_READING,
        loglevel=logging.WARNING,
    )
    records = application.topic(topic, key_deserializer="str", value_deserializer="json")
    alerts = application.topic(alert_topic, key_serializer="str", value_serializer="json")
    stream = application.dataframe(records).apply(_judge, stateful=True)
    stream.filter(lambda alert: alert is not None).to_topic(alerts)
    application.run(timeout=_SILENCE_S, collect=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
