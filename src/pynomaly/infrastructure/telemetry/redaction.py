"""Keeps secrets out of logs: by the name of a key, and by how secrets look inside text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from structlog.typing import EventDict, WrappedLogger

REDACTED: Final = "[redacted]"

#: Deeper structures are cut: a line of a log is no place for them, and a cycle would never end.
_MAX_DEPTH = 8

_NAME = (
    r"(?:pass(?:word|wd|phrase)|secret|token|api[-_.]?key|access[-_.]?key|private[-_.]?key|credential|authorization"
    r"|cookie|jaas[-_.]?config|key[-_.]pem)"
)
_SECRET_KEY = re.compile(_NAME, re.IGNORECASE)
# Repetitions are bounded, so that a long text costs time in proportion to its length.
#: `sasl.password=…`, `"client_secret": "…"`, `Authorization: Bearer …`: up to the end of the quoted text or word.
_ASSIGNMENT = re.compile(
    rf"""(?P<name>{_NAME}[\w.-]{{0,40}}["']?\s{{0,3}}[=:]\s{{0,3}})"""
    r"""(?:"[^"]*"|'[^']*'|(?:(?:bearer|basic)\s)?[^\s,;&)}\]"']+)""",
    re.IGNORECASE,
)
#: `scheme://user:password@host`.
_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@]{1,500}@", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}KEY-----|\Z)", re.DOTALL)


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Redact a whole log line, as a structlog processor; what is left is plain JSON."""
    return {key: _of_key(key, value, 0) for key, value in event.items()}


def redact_text(text: str) -> str:
    """Replace what looks like a secret in free text."""
    text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _ASSIGNMENT.sub(rf"\g<name>{REDACTED}", text)
    return _USER_INFO.sub(rf"\g<scheme>{REDACTED}@", text)


def _of_key(key: object, value: Any, depth: int) -> Any:
    return REDACTED if _SECRET_KEY.search(str(key)) is not None else _plain(value, depth)


def _plain(value: Any, depth: int) -> Any:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping() | list() | tuple() | set() | frozenset():
            return "…" if depth >= _MAX_DEPTH else _nested(value, depth + 1)
        case _:
            return redact_text(str(value))


def _nested(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _of_key(key, item, depth) for key, item in value.items()}
    return [_plain(item, depth) for item in value]
