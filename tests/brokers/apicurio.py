"""A real Schema Registry on loopback: Apicurio, resolved by Maven, its schemas in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import time
import urllib.request
from pathlib import Path
from typing import Final

from brokers.apache_kafka import ToolMissingError, _tool, die_with_parent, free_ports

VERSION: Final = "3.0.9"  # 3.1 and newer want Java 21
START_S: Final = 90.0
RESOLVE_S: Final = 300.0
_ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_JAR: Final = f"apicurio-registry-app-{VERSION}-runner.jar"
_HEAP: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Apicurio:
    """One registry; `url` speaks Confluent's API.

    Parameters
    ----------
    folder
        For its log.
    """

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self._log = folder / "apicurio.log"
        java = _tool("java", "a Java 17 runtime")
        settings = [
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={self.port}",
            "-Dquarkus.http.access-log.enabled=false",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [java, *_HEAP, *settings, "-jar", str(_unpacked() / _JAR)],
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only a system call between fork and exec
            )

    def await_ready(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Apicurio must start within {START_S:g} s; its log:\n{self._log.read_text()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=2) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except OSError:
            return False


def _unpacked() -> Path:
    """Return the folder of the unpacked registry, resolved once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pynomaly-tests"
    folder = cache / f"apicurio-{VERSION}"
    if folder.is_dir():
        return folder
    maven = _tool("mvn", "Maven 3.8 or newer")
    fresh = cache / f"{folder.name}.{os.getpid()}"
    command = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={fresh}"]
    resolved = subprocess.run(command, capture_output=True, text=True, timeout=RESOLVE_S, check=False)
    if resolved.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ToolMissingError(f"Maven must resolve Apicurio, failed:\n{resolved.stdout}{resolved.stderr}")
    for archive in fresh.glob("*.tar.gz"):
        with tarfile.open(archive) as packed:
            packed.extractall(fresh, filter="data")
        archive.unlink()
    try:
        fresh.rename(folder)
    except OSError:  # another run was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return folder
