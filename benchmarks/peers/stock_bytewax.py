"""Bytewax as its documentation shows it: KafkaSource, stateful_map, KafkaSink, recovery with an epoch of ten seconds.

    python stock_bytewax.py BOOTSTRAP TOPIC ALERT_TOPIC STATE

Reads every partition to the end that it has at the start.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main
from input_end import FAST_READING
from recursion import BAR, NEW, State, step

Record = dict[str, Any]


def _keyed(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, Record]:
    record = orjson.loads(message.value)
    return record["series"], record


def _judge(state: State | None, record: Record) -> tuple[State, Record | None]:
    following, score = step(state or NEW, record["value"])
    return following, {**record, "score": score} if score > BAR or score < -BAR else None


def _alert(keyed: tuple[str, Record | None]) -> KafkaSinkMessage[bytes, bytes] | None:
    series, alert = keyed
    return None if alert is None else KafkaSinkMessage(series.encode(), orjson.dumps(alert))


def main(bootstrap: str, topic: str, alert_topic: str, state: str) -> None:
    """Run to the end of the input."""
    settings = {name: str(value) for name, value in FAST_READING.items()}
    source = KafkaSource([bootstrap], [topic], tail=False, add_config=settings, batch_size=10_000)
    flow = Dataflow("stock")
    records = op.map("parse", op.input("records", flow, source), _keyed)
    judged = op.stateful_map("judge", records, _judge)
    op.output("alerts", op.filter_map("alert", judged, _alert), KafkaSink([bootstrap], alert_topic))
    recovery = Path(state)
    recovery.mkdir(parents=True)
    init_db_dir(recovery, 1)
    run_main(flow, epoch_interval=timedelta(seconds=10), recovery_config=RecoveryConfig(recovery))


if __name__ == "__main__":
    main(*sys.argv[1:])
