"""The programs that ours is measured against, each with the command that starts it, and what it needs.

Each takes BOOTSTRAP TOPIC ALERT_TOPIC STATE, reads the topic to its end, and exits.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_HERE = Path(__file__).parent
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pynomaly-benchmarks"
_QUIX = "quixstreams==3.28.1"
_KAFKA_STREAMS = "Kafka Streams 4.1.2"


@dataclass(frozen=True, slots=True)
class Peer:
    """One program.

    Parameters
    ----------
    name
        What it is made of, with versions.
    target
        How many times as much CPU it is to take as ours.
    command
        What starts it, without its four arguments.
    same_recursion
        Whether it is to write the same alerts as the others of the kind.
    """

    name: str
    target: float
    command: tuple[str, ...]
    same_recursion: bool = True


@dataclass(frozen=True, slots=True)
class Absent:
    """A program that cannot run here, and why."""

    name: str
    reason: str


def peers(chosen: Sequence[str]) -> list[Peer | Absent]:
    """Return the chosen ones of `NAMES`, installed where they have to be."""
    return [_MAKERS[name]() for name in chosen]


def _plain() -> Peer:
    return Peer(f"confluent_kafka {version('confluent-kafka')} + orjson", 2.0, _python("plain_loop.py"))


def _river() -> Peer:
    name = f"confluent_kafka + orjson + River {version('river')}"
    return Peer(name, 2.5, _python("river_loop.py"), same_recursion=False)


def _bytewax() -> Peer:
    return Peer(f"Bytewax {version('bytewax')}, stock, recovery", 10.0, _python("stock_bytewax.py"))


def _quix() -> Peer | Absent:
    """Quix pins older libraries than ours: it gets an environment of its own, made once."""
    name = f"Quix Streams {_QUIX.partition('==')[2]}, RocksDB + changelog"
    python = _CACHE / f"quix-{_QUIX.partition('==')[2]}" / "bin" / "python"
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if not python.exists():
        if uv is None:
            return Absent(name, "uv is not installed")
        subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(python.parents[1])], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", str(python), _QUIX], check=True)
    return Peer(name, 20.0, (str(python), "-W", "ignore", str(_HERE / "quix_streams.py")))


def _kafka_streams() -> Peer | Absent:
    """Compiled by Maven, once for each version of its sources."""
    name = f"{_KAFKA_STREAMS}, exactly once"
    project = _HERE / "kafka-streams"
    maven, java = shutil.which("mvn"), shutil.which("java")
    if maven is None or java is None:
        return Absent(name, "Maven or Java is not installed")
    sources = sorted(path for path in project.rglob("*") if path.is_file())
    content = b"".join(path.read_bytes() for path in sources)
    folder = _CACHE / f"kafka-streams-{hashlib.sha256(content).hexdigest()[:12]}"
    if not (folder / "jars").is_dir():
        goals = ("package", "dependency:copy-dependencies")
        places = (f"-DoutputFolder={folder}", f"-DoutputDirectory={folder}/jars")
        subprocess.run([maven, "-q", "-B", "-f", str(project / "pom.xml"), *goals, *places], check=True)
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return Peer(name, 3.5, (java, "-Xmx1g", quiet, "-cp", f"{folder}/classes:{folder}/jars/*", "KafkaStreamsPeer"))


def _python(program: str) -> tuple[str, ...]:
    return sys.executable, str(_HERE / program)


_MAKERS = {"plain": _plain, "river": _river, "bytewax": _bytewax, "quix": _quix, "kafka-streams": _kafka_streams}
NAMES = tuple(_MAKERS)
