"""Compiled parts as the program runs them: their machine code is made once, for all tests, processes and runs.

What is built without a kernel compiles its own, in every process anew, which takes seconds.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from pynomaly.domain.series import SeriesIndex
from pynomaly.domain.series.table import find_slots, rebuild
from pynomaly.domain.windows.absorb import absorb
from pynomaly.domain.windows.stream import Windows
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly_connectors.codecs.avro_scanner import scan_avro
from pynomaly_connectors.codecs.json_scanner import scan

LIBRARY: Final = KernelLibrary.default()
SCAN: Final = LIBRARY.entry(scan)
SCAN_AVRO: Final = LIBRARY.entry(scan_avro)
new_windows: Final = partial(Windows, kernel=LIBRARY.entry(absorb))
new_index: Final = partial(SeriesIndex, find=LIBRARY.entry(find_slots), reenter=LIBRARY.entry(rebuild))
