"""How much the end-to-end tests do: quick enough for every commit, or the full proof.

``E2E_SIZE=full`` runs everything at its full size (about half an hour on two cores); each module says what that is.
"""

from __future__ import annotations

import os
from typing import Final

FULL: Final = os.environ.get("E2E_SIZE", "ci") == "full"


def size(ci: int, full: int) -> int:
    """Return the number for this run."""
    return full if FULL else ci
