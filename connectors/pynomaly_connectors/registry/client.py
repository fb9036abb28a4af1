"""Short questions to a Schema Registry. Each opens a connection of its own: a schema is asked for once.

A registry that is away or overloaded raises `RegistryAwayError`, since waiting mends it; one that refuses us raises
`UnavailableError`; a schema that it does not have is None.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from pynomaly.application.spec.registry import SchemaRegistry
from pynomaly.domain.error import ConfigError, Problem, TransientError, UnavailableError

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

AnswerT = TypeVar("AnswerT")

SchemaKind = Literal["AVRO", "PROTOBUF", "JSON"]

_NOBODYS_ID: Final = 0  # registries count from 1
_PACKAGES: Final = ("confluent_kafka.schema_registry", "fastavro", "grpc_tools", "jsonschema_rs")
_ATTEMPT_S: Final = 5.0
_RETRY_S: Final = 0.25
_NOT_FOUND, _CONFLICT, _UNPROCESSABLE = 404, 409, 422
_REFUSED: Final = frozenset({401, 403})
_BUSY: Final = frozenset({408, 425, 429})
_DEEPEST: Final = 20  # references of references


class RegistryAwayError(TransientError):
    """The registry did not answer, or not now."""


class UnusableSchemaError(Exception):
    """No record can be read by a schema; the text says why."""


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema as the registry has it.

    Parameters
    ----------
    kind
        Its language.
    text
        The schema itself.
    references
        Texts of the schemas that it and they refer to, by the names under which they do.
    """

    kind: str
    text: str
    references: dict[str, str] = field(default_factory=dict[str, str])


class Registry:
    """One Schema Registry.

    Parameters
    ----------
    spec
        How to reach it.
    key
        Where that stands in the flow, for complaints.

    Raises
    ------
    ConfigError
        When the packages that talk to it are not installed.
    """

    def __init__(self, spec: SchemaRegistry, key: str) -> None:
        require_extra(key)
        self.spec = spec
        self._key = key

    @property
    def where(self) -> str:
        """What an operator calls it."""
        return f"schema registry at {self.spec.url}"

    def check(self) -> None:
        """Ask it for a schema, as reading does.

        Raises
        ------
        RegistryAwayError
            When it does not answer.
        UnavailableError
            When it refuses us, or is something else.
        """
        self.by_id(_NOBODYS_ID)

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema of an id."""
        return self._ask(lambda client: _whole(client, client.get_schema(schema_id)))

    def version(self, subject: str, version: int) -> RegisteredSchema | None:
        """Return a version of a subject."""
        return self._ask(lambda client: _whole(client, client.get_version(subject, version).schema))

    def takes(self, subject: str, kind: SchemaKind, text: str) -> bool:
        """Tell whether a schema may be entered under a subject: what may follow is the registry's rule."""
        from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - an optional package

        schema = Schema(text, kind, [])
        # A subject that does not exist yet takes any schema.
        return self._ask(lambda client: client.test_compatibility(subject, schema)) is not False

    def find(self, subject: str, kind: SchemaKind, text: str) -> int | None:
        """Return the id under which a subject has a schema; None if it does not."""
        from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - an optional package

        found = self._ask(lambda client: client.lookup_schema(subject, Schema(text, kind, [])))
        return None if found is None else found.schema_id

    def enter(self, subject: str, kind: SchemaKind, text: str) -> int:
        """Enter a schema under a subject and return its id; one that is there already keeps its own.

        Raises
        ------
        ConfigError
            When the subject does not take it.
        """
        from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - an optional package

        entered = self._ask(lambda client: client.register_schema(subject, Schema(text, kind, [])))
        if entered is None:
            raise self.incompatible(subject)
        return entered

    def incompatible(self, subject: str) -> ConfigError:
        """Say that a subject does not take our schema."""
        rule = (
            f"must take the schema of this version's events under {subject}, refused it as incompatible or unsound: "
            "write to another topic, or loosen the compatibility of the subject"
        )
        return ConfigError(Problem(self._key, rule))

    def _ask(self, question: Callable[[SchemaRegistryClient], AnswerT]) -> AnswerT | None:
        from confluent_kafka.schema_registry import SchemaRegistryError  # noqa: PLC0415 - an optional package
        from httpx2 import TransportError  # noqa: PLC0415 - an optional package

        try:
            with self._client() as client:
                return question(client)
        except SchemaRegistryError as error:
            self._judge(error.http_status_code, error.error_message)
            return None
        except (TransportError, OSError) as error:
            raise self._away(str(error) or type(error).__name__) from None

    def _judge(self, status: int, text: str) -> None:
        """Take an answer that is no success; return only if it says that there is no such schema."""
        if status in {_NOT_FOUND, _CONFLICT, _UNPROCESSABLE}:
            return
        if status in _REFUSED:
            raise UnavailableError(
                f"{self.where} must let us in, answered {status}: check `username` and `password` under {self._key}"
            )
        if status in _BUSY or status >= 500:
            raise self._away(f"it answered {status}: {text}")
        raise UnavailableError(f"{self.where} must speak Confluent's API, answered {status}: {text}; check its `url`")

    def _away(self, reason: str) -> RegistryAwayError:
        return RegistryAwayError(f"{self.where} must answer, did not: {reason}; start again when it is back")

    @contextmanager
    def _client(self) -> Generator[SchemaRegistryClient]:
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - an optional package

        try:
            client = SchemaRegistryClient(self._settings())
        except (ssl.SSLError, OSError) as error:
            rule = f"must be a PEM file of certificates, was {self.spec.ca_file}: {error}"
            raise ConfigError(Problem(f"{self._key}.ca_file", rule)) from None
        with client:
            yield client

    def _settings(self) -> dict[str, object]:
        spec = self.spec
        settings: dict[str, object] = {
            "url": spec.url,
            "timeout": min(_ATTEMPT_S, spec.timeout_s),
            "max.retries": 0,  # whoever asks decides how long to go on
        }
        if spec.username is not None:
            settings["basic.auth.user.info"] = f"{spec.username}:{self._password()}"
        if spec.ca_file is not None:
            settings["ssl.ca.location"] = spec.ca_file
        return settings

    def _password(self) -> str:
        spec = self.spec
        if spec.password_file is None:
            return "" if spec.password is None else spec.password.get_secret_value()
        try:
            return Path(spec.password_file).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            rule = f"must be a readable file, was {spec.password_file}: {error}"
            raise ConfigError(Problem(f"{self._key}.password_file", rule)) from None


def patiently(
    question: Callable[[], AnswerT], patience_s: float, clock: Callable[[], float] = time.monotonic
) -> AnswerT:
    """Repeat a question while the registry is away.

    Raises
    ------
    RegistryAwayError
        When it has been away for that long [s].
    """
    since = clock()
    while True:
        try:
            return question()
        except RegistryAwayError:
            if clock() - since >= patience_s:
                raise
        time.sleep(_RETRY_S)


def require_extra(key: str) -> None:
    """Fail unless the packages for schemas are installed.

    Raises
    ------
    ConfigError
        Saying how to install them.
    """
    try:
        for name in _PACKAGES:
            import_module(name)
    except ImportError as missing:
        rule = f"must be left out where {missing.name} is missing: pip install 'pynomaly-streaming[registry]'"
        raise ConfigError(Problem(key, rule)) from None


def _whole(client: SchemaRegistryClient, schema: Schema) -> RegisteredSchema:
    references: dict[str, str] = {}
    _collect(client, schema, references, 0)
    return RegisteredSchema(schema.schema_type or "AVRO", schema.schema_str or "", references)


def _collect(client: SchemaRegistryClient, schema: Schema, found: dict[str, str], depth: int) -> None:
    """Add the schemas that one refers to, those first that others refer to."""
    for reference in schema.references or ():
        name, subject, version = reference.name, reference.subject, reference.version
        if depth < _DEEPEST and name is not None and subject is not None and version is not None and name not in found:
            referred = client.get_version(subject, version, deleted=True).schema
            _collect(client, referred, found, depth + 1)
            found[name] = referred.schema_str or ""
