"""What the doctor looks at on any machine: Python, packages, the kernel cache and the clock."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import pynomaly
from pynomaly.infrastructure.kernels import cache_root
from pynomaly.presentation.cli.finding import Finding, fail, ok, warn

_PYTHONS: Final = ((3, 11), (3, 12))
_PACKAGES: Final = ("numpy", "numba", "bytewax", "confluent-kafka", "pydantic", "river", "orjson")
_EXTRAS: Final = {
    "pyod": (("pyod", "skops"), "PyOD detectors with scheduled refits"),
    "plot": (("matplotlib",), "`pynomaly detect --plot`"),
    "frames": (("pandas", "polars", "pyarrow"), "frames in the SDK and .parquet files"),
    "otlp": (("opentelemetry-exporter-otlp-proto-http",), "traces to a collector"),
}
_PAUSE_S: Final = 0.05
_DRIFT_S: Final = 0.02


def examine_machine() -> Iterator[Finding]:
    """Yield what there is to say of this machine."""
    yield _python()
    yield from _packages()
    yield from _extras()
    yield _kernel_cache(cache_root())
    yield _clock()


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] in _PYTHONS:
        return ok("python", text)
    return fail("python", f"must be 3.11 or 3.12, was {text}", "make a virtual environment with one of these")


def _packages() -> Iterator[Finding]:
    yield ok("pynomaly", pynomaly.__version__)
    for name in _PACKAGES:
        try:
            yield ok(name, version(name))
        except PackageNotFoundError:
            yield fail(name, "must be installed, was missing", "pip install --force-reinstall pynomaly-streaming")


def _extras() -> Iterator[Finding]:
    for extra, (packages, purpose) in _EXTRAS.items():
        missing = [name for name in packages if not _is_installed(name)]
        if missing:
            remedy = f"for {purpose}: pip install 'pynomaly-streaming[{extra}]'"
            yield warn(f"extra {extra}", f"{', '.join(missing)} not installed", remedy)
        else:
            yield ok(f"extra {extra}", ", ".join(f"{name} {version(name)}" for name in packages))


def _is_installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False


def _kernel_cache(root: Path) -> Finding:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return ok("kernel cache", str(root))
    except OSError as error:
        remedy = "every start compiles for some ten seconds; let XDG_CACHE_HOME name a folder that can be written"
        return warn("kernel cache", f"{root} cannot be written: {error.strerror}", remedy)


def _clock() -> Finding:
    """Compare the wall clock with the program's own files, which are older, and with the monotonic clock."""
    newest_s = max(path.stat().st_mtime for path in Path(pynomaly.__file__).parent.rglob("*.py"))
    if time.time() < newest_s:
        told = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        return warn("clock", f"{told} is before this program was installed", "set the clock; does NTP run?")
    wall_s, steady_s = time.time(), time.monotonic()
    time.sleep(_PAUSE_S)
    drift_s = abs((time.time() - wall_s) - (time.monotonic() - steady_s))
    if drift_s > _DRIFT_S:
        return warn(
            "clock", f"the wall clock moved by {drift_s:.3f} s of its own", "is it being stepped? does NTP run?"
        )
    return ok("clock", "runs, and after this program was installed (no alert depends on it)")
