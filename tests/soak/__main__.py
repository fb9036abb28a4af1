"""The soak: ``just soak [minutes] [seed]``, or ``python -m soak 30 7`` in `tests`.

Prints its seed first, each validation as it passes, and at the end the figures as a line of the table of faults. Ends
with 1 at the first invariant that does not hold, and leaves its folder for whoever looks why.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from brokers.apache_kafka import ApacheKafka
from soak.soak import Soak, SoakOptions


def main(arguments: list[str]) -> None:
    """Run for as many minutes as the first argument says, with the seed that the second does."""
    minutes = float(arguments[0]) if arguments else 30.0
    seed = int(arguments[1]) if len(arguments) > 1 else time.time_ns() % 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="pynomaly-soak-"))
    print(f"soak of {minutes:g} minutes, seed {seed}, in {folder}", flush=True)  # noqa: T201
    broker = ApacheKafka(folder)
    broker.start()
    try:
        figures = Soak(broker, folder, SoakOptions(seed, 60.0 * minutes)).run()
    finally:
        broker.kill()
    print(figures.line)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
