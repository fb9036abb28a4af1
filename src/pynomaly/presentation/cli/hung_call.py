"""Ending a process whose detector does not return: nothing can be drained, so it ends as a killed one does."""

from __future__ import annotations

import os
import sys

from pynomaly.domain.error import TransientError
from pynomaly.presentation.cli.exit_status import error_lines, exit_code


def end_process(error: TransientError, who: str = "") -> None:
    """Say why, on behalf of ``who``, and end this process at once; what it did since its checkpoint is done again."""
    lines = (line.replace("error: ", f"error: {who}", 1) for line in error_lines(error))
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()
    os._exit(exit_code(error))
