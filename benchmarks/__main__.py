"""Run the benchmarks and print one table: `python benchmarks --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from peers.programs import NAMES
from row import as_json, machine, table

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the tests' Kafka broker


def main() -> int:
    """Measure what was asked for; exit with 1 if a target does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure pynomaly beside its peers.")
    parser.add_argument(
        "--only",
        choices=("kernels", "kafka", "shards", "growth", "recovery", "latency", "repartition"),
        help="one part; by default all",
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each figure, of which the median counts")
    parser.add_argument("--records", type=int, default=2_000_000, help="records in the Kafka topic")
    parser.add_argument("--peers", nargs="*", choices=NAMES, default=NAMES, help="of the Kafka rows; by default all")
    parser.add_argument("--peer-mb", type=int, default=1_000, help="memory that River's half-space trees may fill [MB]")
    parser.add_argument("--largest", type=int, default=1_000_000, help="most series, for growth and recovery")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the latency is measured")
    parser.add_argument("--json", action="store_true", help="raw measurements instead of the table")
    asked = parser.parse_args()
    rows = []
    if asked.only in {None, "kernels"}:
        from kernels import memory_rows, trees_rows, z_score_row  # noqa: PLC0415 - River's import is measured elsewhere

        rows += [z_score_row(asked.rounds), *trees_rows(asked.rounds, asked.peer_mb * 1_000_000), *memory_rows()]
    if asked.only in {None, "kafka"}:
        from kafka_flow import kafka_rows  # noqa: PLC0415 - only here a broker is needed

        rows += kafka_rows(asked.rounds, asked.records, asked.peers)
    if asked.only in {None, "shards"}:
        from shards import shard_rows  # noqa: PLC0415 - only here the whole flow is needed

        rows += shard_rows(asked.rounds, asked.records)
    if asked.only in {None, "growth"}:
        from growth import growth_rows  # noqa: PLC0415 - likewise

        rows += growth_rows(asked.largest)
    if asked.only in {None, "recovery"}:
        from recovery import recovery_rows  # noqa: PLC0415 - likewise

        rows += recovery_rows(asked.largest)
    if asked.only in {None, "latency"}:
        from latency import latency_rows  # noqa: PLC0415 - likewise

        rows += latency_rows(asked.seconds)
    if asked.only in {None, "repartition"}:
        from repartition import repartition_rows  # noqa: PLC0415 - as above

        rows += repartition_rows(asked.rounds, asked.records)
    if asked.json:
        print(as_json(rows))
    else:
        print(table(rows))
        print("\n" + ", ".join(f"{name} {value}" for name, value in machine().items()))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
