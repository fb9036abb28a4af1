"""``python -m pynomaly``: the program, where its script is not on the path."""

from __future__ import annotations

import sys

from pynomaly.presentation.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
