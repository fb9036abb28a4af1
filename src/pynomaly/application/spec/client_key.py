"""Which setting of librdkafka a key of a flow becomes: stated once, beside the key, and read in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pynomaly.application.spec.section import Section


@dataclass(frozen=True, slots=True)
class ClientKey:
    """Annotates a field with its librdkafka setting.

    Parameters
    ----------
    setting
        librdkafka's name.
    is_path
        Whether the value is the path of a file that librdkafka reads itself.
    is_content
        Whether the value is the path of a file whose content, less the line feed at its end, is the setting.
    words
        What stands for false and for true, where the setting is no truth value.
    """

    setting: str
    is_path: bool = False
    is_content: bool = False
    words: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class GivenKey:
    """One key that a flow gives, or that has a default.

    Parameters
    ----------
    path
        Where it stands below the section, such as ``sasl.password_file``.
    key
        What it becomes.
    value
        What the flow says.
    """

    path: str
    key: ClientKey
    value: object


def given_keys(section: Section, path: str = "") -> Iterator[GivenKey]:
    """Yield everything in a section and the sections in it that becomes a setting and is not None."""
    for name, field in type(section).model_fields.items():
        value: object = getattr(section, name)
        if isinstance(value, Section):
            yield from given_keys(value, f"{path}{name}.")
            continue
        for key in field.metadata:
            if isinstance(key, ClientKey) and value is not None:
                yield GivenKey(path + name, key, value)


def keys_by_setting(kind: type[Section], path: str = "") -> dict[str, str]:
    """Return for each librdkafka setting the key of a flow that stands for it, as a path below ``kind``."""
    found: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        for part in _sections_in(field.annotation):
            found |= keys_by_setting(part, f"{path}{name}.")
        for key in field.metadata:
            if isinstance(key, ClientKey):
                found.setdefault(key.setting, path + name)
    return found


def _sections_in(annotation: object) -> list[type[Section]]:
    kinds = (annotation, *get_args(annotation))
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]
