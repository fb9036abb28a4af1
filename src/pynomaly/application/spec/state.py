"""How a flow proves that saved state is its own."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, SecretStr, model_validator

from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.secret import FilePath, Secret, said_once
from pynomaly.application.spec.section import Section

LEAST_CHARACTERS: Final = 32
_RULE: Final = f"must have at least {LEAST_CHARACTERS} characters that nobody can guess: `openssl rand -hex 32`"


class StateSpec(Section):
    """Keys with which the saved state is sealed; without any it is not."""

    key: Secret | None = None
    """Key that seals whatever is saved, at least 32 characters."""
    key_file: FilePath | None = None
    """File with the key."""
    earlier_keys: Annotated[tuple[Secret, ...], Field(max_length=100)] = ()
    """Keys that open what was sealed before the key was changed."""
    earlier_key_files: Annotated[tuple[FilePath, ...], Field(max_length=100)] = ()
    """Files with such keys, one in each."""

    @property
    def is_sealed(self) -> bool:
        """Whether there is a key."""
        return self.key is not None or self.key_file is not None

    @model_validator(mode="after")
    def _agrees(self) -> StateSpec:
        complaints = [*said_once(self, "key"), *self._weak()]
        if not self.is_sealed and (self.earlier_keys or self.earlier_key_files):
            complaints.append(Complaint(("key",), "must be given (or `key_file`) with earlier keys: it seals"))
        if complaints:
            raise as_validation_error("state", complaints)
        return self

    def _weak(self) -> list[Complaint]:
        found = [] if self.key is None or is_strong(self.key) else [Complaint(("key",), _RULE)]
        weak = (number for number, key in enumerate(self.earlier_keys) if not is_strong(key))
        return found + [Complaint(("earlier_keys", number), _RULE) for number in weak]


def is_strong(key: SecretStr) -> bool:
    """Tell whether a key has the length of one."""
    return len(key.get_secret_value()) >= LEAST_CHARACTERS
