"""The security section of a connection as librdkafka's settings, with the files that hold secrets read.

Files are read whenever a client is made, so a secret that was renewed counts from the next start on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pynomaly.application.spec.client_key import GivenKey, given_keys
from pynomaly.application.spec.security import SecuritySpec
from pynomaly.domain.error import ConfigError, Problem

_MOST_BYTES: Final = 100_000
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def security_settings(security: SecuritySpec) -> dict[str, object]:
    """Return what librdkafka is told; holds secrets in the clear.

    Raises
    ------
    ConfigError
        Naming every file that cannot be read.
    """
    settings, problems = _implied(security), list[Problem]()
    for given in given_keys(security):
        try:
            settings[given.key.setting] = _setting(given)
        except OSError as error:
            problems.append(_unreadable(given, error.strerror or str(error)))
        except ValueError as error:
            problems.append(_unreadable(given, str(error)))
    if problems:
        raise ConfigError(*problems)
    return settings


def _implied(security: SecuritySpec) -> dict[str, object]:
    """Return the settings that follow from which sections there are."""
    oauth = None if security.sasl is None else security.sasl.oauth
    if oauth is None or oauth.unsecured:
        return {}
    settings: dict[str, object] = {"sasl.oauthbearer.method": "oidc"}
    if oauth.assertion is not None:
        settings["sasl.oauthbearer.grant.type"] = _JWT_BEARER
    return settings


def _setting(given: GivenKey) -> object:
    key, value = given.key, given.value
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if key.words is not None:
        return key.words[bool(value)]
    if key.is_content:
        return _content(Path(str(value)))
    if key.is_path:
        _look_at(Path(str(value)))
    return value


def _content(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None  # the error's own text would quote it
    if not text or "\0" in text:
        raise ValueError("it is empty" if not text else "it holds a zero byte")
    return text


def _look_at(path: Path) -> None:
    if path.is_dir():
        next(path.iterdir(), None)
    else:
        path.open("rb").close()


def _unreadable(given: GivenKey, reason: str) -> Problem:
    return Problem(f"security.{given.path}", f"must be a file that can be read, was {given.value!r}: {reason}")
