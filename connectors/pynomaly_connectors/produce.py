"""Send recorded data to a Kafka topic: ``python -m pynomaly_connectors.produce --help``."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from pynomaly.application.exit_status import exit_code_of
from pynomaly.application.ports import RecordSource
from pynomaly.application.spec.dataset import DATASET_RECORDS
from pynomaly.application.spec.record import RecordSpec, TimeFormat, TimeSpec
from pynomaly.application.spec.security import SecuritySpec
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import DatasetSource, FileSource
from pynomaly.domain.error import PynomalyError
from pynomaly.domain.record import RecordBatch
from pynomaly_connectors.datasets import DatasetRecordSource
from pynomaly_connectors.files.source import FileRecordSource
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.recording import Pace, SeriesName, World, send

_INTERLEAVED_RECORDS: Final = 100  # several files are sent in turn, this many records of each


def main(arguments: Sequence[str] | None = None) -> int:
    """Send until the end, or until SIGINT or SIGTERM, and return the exit status (sysexits)."""
    options = parser().parse_args(arguments)
    world = World()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: world.stop())
    try:
        sent = _send(options, world)
    except PynomalyError as error:
        sys.stderr.write(f"{error}\n")
        return exit_code_of(error)
    sys.stderr.write(f"{sent} records sent to {options.topic}\n")
    return os.EX_OK


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        "python -m pynomaly_connectors.produce",
        description='Send recorded data to a Kafka topic as {"ts": <epoch ms>, "series": ..., "value": ...}.',
    )
    made.add_argument("--bootstrap", default="localhost:9092", help="host:port of the cluster (default: %(default)s)")
    made.add_argument(
        "--allow-plaintext", action="store_true", help="send readable records to brokers on other machines"
    )
    made.add_argument(
        "--timeout", type=_positive, default=20.0, help="how long the cluster may be silent [s] (default: %(default)g)"
    )
    made.add_argument("--topic", required=True, help="topic to write; must exist")
    data = made.add_mutually_exclusive_group(required=True)
    data.add_argument("--dataset", choices=sorted(DATASET_RECORDS), help="data that comes with the program")
    data.add_argument("--csv", metavar="GLOB", help="CSV files, one series each unless --series is given")
    made.add_argument(
        "--time", default="timestamp", metavar="COLUMN", help="CSV column of the time (default: timestamp)"
    )
    made.add_argument("--time-format", default="iso8601", choices=get_args(TimeFormat), help="(default: iso8601)")
    made.add_argument("--value", default="value", metavar="COLUMN", help="CSV column of the value (default: value)")
    made.add_argument("--series", metavar="COLUMN", help="CSV column of the series key (default: the file's name)")
    made.add_argument("--rate", type=_positive, default=100.0, help="records per second (default: %(default)g)")
    made.add_argument("--loop", action="store_true", help="begin again at the end, with times that go on")
    made.add_argument("--wall-time", action="store_true", help="write the moment of sending instead of recorded times")
    return made


def _positive(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"must be above 0, was {text}")
    return number


def _send(options: argparse.Namespace, world: World) -> int:
    source, series_of = _source(options)
    topic = KafkaSink(
        kind="kafka",
        bootstrap=options.bootstrap,
        security=SecuritySpec(allow_plaintext=options.allow_plaintext),
        topic=options.topic,
        timeout_s=options.timeout,
    )
    writer = KafkaMessageSink(topic).open(None)
    try:
        return send(source, series_of, writer, Pace(options.rate, options.loop, options.wall_time), world)
    finally:
        writer.close()


def _source(options: argparse.Namespace) -> tuple[RecordSource, SeriesName]:
    if options.dataset is not None:
        dataset = DatasetSource(kind="dataset", name=options.dataset)
        return DatasetRecordSource(dataset, DATASET_RECORDS[options.dataset]), lambda _batch, _row: dataset.name
    record = RecordSpec(
        time=TimeSpec(field=options.time, format=options.time_format),
        values=(options.value,),
        series=() if options.series is None else (options.series,),
    )
    files = FileSource(kind="files", path=options.csv, format="csv", batch_records=_INTERLEAVED_RECORDS)
    return FileRecordSource(files, record), _file_name if options.series is None else _series_key


def _file_name(batch: RecordBatch, _row: int) -> str:
    return Path(batch.stream.name).stem


def _series_key(batch: RecordBatch, row: int) -> str:
    return batch.key[row].decode()


if __name__ == "__main__":
    sys.exit(main())
