"""How alert levels look on a terminal."""

from __future__ import annotations

from typing import Final

from pynomaly.domain.outcome import Level

LEVEL_STYLES: Final = {Level.WATCH: "cyan", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
