"""A program like `pynomaly run FLOW --state FOLDER` with a detector that does not return from one record."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Event
from typing import Any

from river import anomaly

from pynomaly.application.tally import Tally
from pynomaly.bootstrap import services_of
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.presentation.cli.hung_call import end_process
from pynomaly_flows.live import LiveOptions, run_live

_HANGS_AT = 700
_TIMEOUT_S = 1.0


def main() -> None:
    """Run the flow that the first argument names on the state that the second does."""
    working = anomaly.StandardAbsoluteDeviation.score_one
    asked = 0

    def hanging(model: Any, x: None, y: float) -> float:
        nonlocal asked
        asked += 1
        if asked == _HANGS_AT:
            Event().wait()
        return float(working(model, x, y))

    anomaly.StandardAbsoluteDeviation.score_one = hanging
    services = services_of(load_flow(Path(sys.argv[1]), os.environ))
    with services.calls.watched(end_process, _TIMEOUT_S):
        run_live(services, Tally(), LiveOptions(Path(sys.argv[2])))


if __name__ == "__main__":
    main()
