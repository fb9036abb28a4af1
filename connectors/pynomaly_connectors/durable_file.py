"""Small files of the state that a crash leaves whole: as they were, or as they were to be."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def draft_of(path: Path) -> Path:
    """Name a draft of a file beside it, as nobody else does: processes of two containers may have one number."""
    return path.with_name(f".{uuid.uuid4().hex}.new")


def sweep_drafts(folder: Path) -> None:
    """Delete the drafts that crashes have left in a folder, if there is one; only while nobody writes there."""
    for draft in folder.glob(".*.new"):
        draft.unlink()


def replace_durably(path: Path, content: bytes) -> None:
    """Put a file in place of another, or of none, in a folder that is made if need be; return when it is durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = draft_of(path)
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
