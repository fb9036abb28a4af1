"""Which file a path of a flow means, told from its text alone: nothing is looked up on disk."""

from __future__ import annotations

import glob
import os
import re
from fnmatch import translate
from pathlib import PurePosixPath


def plain_path(path: str) -> PurePosixPath:
    """Return a path as it reads from the root: one text for one file, links aside.

    Examples
    --------
    >>> str(plain_path("/in/../data/./a.jsonl"))
    '/data/a.jsonl'
    """
    return PurePosixPath(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links, and keep no `..`


def may_match(path: str, pattern: str) -> bool:
    """Tell whether a path is the one that ``pattern`` says, or among those that it would match as a glob.

    Examples
    --------
    >>> may_match("data/alerts.jsonl", "data/**/*.jsonl"), may_match("data/alerts.jsonl", "data/*/*.jsonl")
    (True, False)
    """
    file = plain_path(path)
    if file == plain_path(pattern):
        return True
    here = glob.escape(os.getcwd())  # noqa: PTH109 - text is wanted, and its brackets are no pattern
    return _parts_match(file.parts, PurePosixPath(os.path.normpath(os.path.join(here, pattern))).parts)  # noqa: PTH118 - as above


def _parts_match(names: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    reached = {0}  # how many names the patterns so far may have used up
    for pattern in patterns:
        if pattern == "**":
            reached = {end for begin in reached for end in _into_folders(names, begin)}
        else:
            reached = {at + 1 for at in reached if at < len(names) and _name_matches(names[at], pattern)}
    return len(names) in reached


def _into_folders(names: tuple[str, ...], begin: int) -> range:
    hidden = next((at for at in range(begin, len(names)) if names[at].startswith(".")), len(names))
    return range(begin, hidden + 1)


def _name_matches(name: str, pattern: str) -> bool:
    if name.startswith(".") and not pattern.startswith("."):
        return False  # a wildcard passes hidden files by, as the reader does
    return re.match(translate(pattern), name) is not None
