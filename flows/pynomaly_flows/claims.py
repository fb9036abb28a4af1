"""Which processes have used the mark that the doctor leaves for one start: each once, and all of one cluster."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pynomaly_flows.key_group import Worker


@dataclass(frozen=True, slots=True)
class Claims:
    """A folder with an empty file for each process that has started."""

    path: Path

    def add(self, worker: Worker) -> None:
        """Note that a worker starts.

        Raises
        ------
        FileExistsError
            When it has started before, or others of a cluster of another size have.
        """
        self.path.mkdir(exist_ok=True)
        (self.path / f"{worker.index}-of-{worker.count}").touch(exist_ok=False)
        if any(not claim.name.endswith(f"-of-{worker.count}") for claim in self.path.iterdir()):
            raise FileExistsError(self.path)

    def forget(self) -> None:
        """Forget all: the next start is another one."""
        shutil.rmtree(self.path, ignore_errors=True)
