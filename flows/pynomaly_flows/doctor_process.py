"""The doctor of a recovery store in a process of its own: two copies of SQLite in one break each other's locks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.seal import Seals
from pynomaly_flows.recovery_doctor import NO_DISK, Examined, orders_text


def run_doctor(recovery: Path, store_id: str, seals: Seals, *, adopt: bool = False, fresh: bool = False) -> Examined:
    """Run the doctor on a store.

    Raises
    ------
    StateError
        As the doctor says.
    """
    command = [sys.executable, "-m", "pynomaly_flows.recovery_doctor", str(recovery), store_id]
    orders = orders_text(seals, adopt=adopt, fresh=fresh)
    finished = subprocess.run(  # noqa: S603 - our own module
        command,
        input=orders,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C in a terminal is for us alone: a doctor that it cuts off looks like damage
    )
    if finished.returncode == NO_DISK:
        raise UnavailableError(finished.stderr.strip())
    if finished.returncode != 0:
        raise StateError(finished.stderr.strip() or f"the recovery doctor failed with {finished.returncode}")
    return Examined.from_json(finished.stdout)
