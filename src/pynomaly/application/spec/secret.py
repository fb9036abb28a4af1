"""Secrets and files of a connection as values of keys, and the rules that such keys share.

A key `x_file` names a file that holds what `x` would say. A secret shows itself nowhere: not in `repr`, dumps, JSON or
complaints; only `SecretStr.get_secret_value` gives it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from pynomaly.application.spec.complaint import Complaint
from pynomaly.application.spec.section import Section


def _filled(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("must not be empty")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_filled)]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]
FilePath = Annotated[str, Field(min_length=1, max_length=4_096)]


def is_given(section: Section, name: str) -> bool:
    """Tell whether a section says something, as a value or by a file."""
    return any(getattr(section, key, None) is not None for key in (name, f"{name}_file"))


def said_once(section: Section, *names: str) -> Iterator[Complaint]:
    """Complain of what is given both as a value and by a file."""
    for name in names:
        if getattr(section, name) is not None and getattr(section, f"{name}_file") is not None:
            yield Complaint((f"{name}_file",), f"must be left out: `{name}` is given")


def needed(section: Section, *names: str, when: str) -> Iterator[Complaint]:
    """Complain of what is not given though something else asks for it."""
    for name in names:
        if not is_given(section, name):
            other = f" (or `{name}_file`)" if f"{name}_file" in type(section).model_fields else ""
            yield Complaint((name,), f"must be given{other} {when}")


def useless(section: Section, *names: str, when: str) -> Iterator[Complaint]:
    """Complain of what is given though nothing reads it."""
    for name in names:
        for key in (name, f"{name}_file"):
            if getattr(section, key, None) is not None:
                yield Complaint((key,), f"must be left out {when}")
