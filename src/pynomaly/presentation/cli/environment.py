"""The one place where the program reads the environment; everything else gets it as a value."""

from __future__ import annotations

import os
from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """Return the variables of this process."""
    return os.environ
