"""A consumer whose effect and position go into one SQLite transaction: the recipe of docs/consuming-alerts.md.

Run as a program of its own, so that tests can kill it: ``python alert_consumer.py OUTPUT DATABASE``, where OUTPUT is
the JSON of an output as a flow's file has it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing

import pynomaly


def consume(output: dict[str, object], database: str) -> None:
    """Store every alert, without end."""
    with closing(sqlite3.connect(database)) as store:
        store.execute("CREATE TABLE IF NOT EXISTS pages (id TEXT, series TEXT, level TEXT)")  # no key: repeats show
        store.execute("CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), position BLOB)")
        row = store.execute("SELECT position FROM progress").fetchone()
        with pynomaly.read_alerts(output, position=row and row[0]) as alerts:
            for alert in alerts:
                with store:  # one transaction: the effect and the position that says it is done
                    store.execute("INSERT INTO pages VALUES (?, ?, ?)", (alert.id, alert.series, alert.level.label))
                    store.execute("INSERT OR REPLACE INTO progress VALUES (1, ?)", (alerts.position,))


if __name__ == "__main__":
    consume(json.loads(sys.argv[1]), sys.argv[2])
