"""The program as all that a process does: ``pynomaly``, and ``python -m pynomaly`` where no script is on the path."""

from __future__ import annotations

import gc
import sys

from pynomaly.infrastructure.processes.settled_heap import settle_heap


def run() -> int:
    """Run the command line of this process and return its exit status.

    The garbage collector stays away from the start, which makes hundreds of thousands of modules, classes and models
    that all live on, and from the end, when the system takes back everything at once. A command that finds its machine
    code in the cache would spend a quarter of its CPU time there.
    """
    settle_heap()
    from pynomaly.presentation.cli.main import main  # noqa: PLC0415 - what it imports is the start

    try:
        return main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(run())
