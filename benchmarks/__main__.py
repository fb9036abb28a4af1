"""Run the benchmarks and print one table: `python benchmarks --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from peers.programs import NAMES
from row import Row, as_json, machine, table

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the tests' Kafka broker


_Measure: TypeAlias = Callable[[argparse.Namespace], list[Row]]


def _kernels(asked: argparse.Namespace) -> list[Row]:
    from kernels import memory_rows, trees_rows, z_score_row  # noqa: PLC0415 - River's import is measured elsewhere

    return [z_score_row(asked.rounds), *trees_rows(asked.rounds, asked.peer_mb * 1_000_000), *memory_rows()]


def _detectors(asked: argparse.Namespace) -> list[Row]:
    from detectors import detector_rows  # noqa: PLC0415 - peers are optional

    return detector_rows(asked.rounds)


def _kafka(asked: argparse.Namespace) -> list[Row]:
    from kafka_flow import kafka_rows  # noqa: PLC0415 - only here a broker is needed

    return kafka_rows(asked.rounds, asked.records, asked.peers)


def _shards(asked: argparse.Namespace) -> list[Row]:
    from shards import shard_rows  # noqa: PLC0415 - only here the whole flow is needed

    return shard_rows(asked.rounds, 3 * asked.records)  # a run must be long beside its start


def _growth(asked: argparse.Namespace) -> list[Row]:
    from growth import growth_rows  # noqa: PLC0415 - likewise

    return growth_rows(asked.largest)


def _recovery(asked: argparse.Namespace) -> list[Row]:
    from recovery import recovery_rows  # noqa: PLC0415 - likewise

    return recovery_rows(asked.largest)


def _latency(asked: argparse.Namespace) -> list[Row]:
    from latency import latency_rows  # noqa: PLC0415 - likewise

    return latency_rows(asked.seconds)


def _repartition(asked: argparse.Namespace) -> list[Row]:
    from repartition import repartition_rows  # noqa: PLC0415 - likewise

    return repartition_rows(asked.rounds, asked.records)


_PARTS: dict[str, _Measure] = {
    "kernels": _kernels,
    "detectors": _detectors,
    "kafka": _kafka,
    "shards": _shards,
    "growth": _growth,
    "recovery": _recovery,
    "latency": _latency,
    "repartition": _repartition,
}


def main() -> int:
    """Measure what was asked for; exit with 1 if a target does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure pynomaly beside its peers.")
    parser.add_argument("--only", nargs="+", choices=tuple(_PARTS), default=tuple(_PARTS), help="parts; by default all")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each figure, of which the median counts")
    parser.add_argument("--records", type=int, default=2_000_000, help="records in the Kafka topic")
    parser.add_argument("--peers", nargs="*", choices=NAMES, default=NAMES, help="of the Kafka rows; by default all")
    parser.add_argument("--peer-mb", type=int, default=1_000, help="memory that River's half-space trees may fill [MB]")
    parser.add_argument("--largest", type=int, default=1_000_000, help="most series, for growth and recovery")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the latency is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there, after each part")
    asked = parser.parse_args()
    rows: list[Row] = []
    for part in asked.only:
        print(f"measuring {part} ...", file=sys.stderr)
        rows += _PARTS[part](asked)
        if asked.json is not None:
            asked.json.write_text(as_json(rows) + "\n")
    print(table(rows))
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine().items()))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
