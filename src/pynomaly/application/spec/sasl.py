"""How we log in to brokers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from pynomaly.application.spec.client_key import ClientKey
from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.oauth import OauthSpec
from pynomaly.application.spec.secret import FilePath, Secret, Text, needed, said_once, useless
from pynomaly.application.spec.section import Name, Section

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"]
_SECTION_OF: Final = {"OAUTHBEARER": "oauth", "GSSAPI": "kerberos"}


class KerberosSpec(Section):
    """A log-in by Kerberos."""

    principal: Annotated[Name | None, ClientKey("sasl.kerberos.principal")] = None
    """Our principal; by default `kafkaclient`."""
    keytab_file: Annotated[FilePath | None, ClientKey("sasl.kerberos.keytab", is_path=True)] = None
    """Key table of the principal."""
    service_name: Annotated[Name | None, ClientKey("sasl.kerberos.service.name")] = None
    """Name under which the brokers run; by default `kafka`."""
    kinit_command: Annotated[Text | None, ClientKey("sasl.kerberos.kinit.cmd")] = None
    """Shell command that gets a ticket; by default `kinit` with the key table."""
    relogin_ms: Annotated[
        Annotated[int, Field(ge=0, le=86_400_000)] | None, ClientKey("sasl.kerberos.min.time.before.relogin")
    ] = None
    """Least time between two tickets [ms]; 0: get one only."""


class SaslSpec(Section):
    """A log-in: by user and password, by a token, or by Kerberos."""

    mechanism: Annotated[Mechanism, ClientKey("sasl.mechanism")]
    """How; the brokers must have it switched on."""
    username: Annotated[Text | None, ClientKey("sasl.username")] = None
    """User of PLAIN and SCRAM."""
    password: Annotated[Secret | None, ClientKey("sasl.password")] = None
    """The user's password, as `${NAME}`."""
    password_file: Annotated[FilePath | None, ClientKey("sasl.password", is_content=True)] = None
    """File with the user's password."""
    oauth: OauthSpec | None = None
    """Where the tokens of OAUTHBEARER come from."""
    kerberos: KerberosSpec | None = None
    """Who we are to Kerberos, for GSSAPI."""

    @model_validator(mode="after")
    def _agrees(self) -> SaslSpec:
        complaints = list(self._complaints())
        if complaints:
            raise as_validation_error("sasl", complaints)
        return self

    def _complaints(self) -> Iterator[Complaint]:
        own, by = _SECTION_OF.get(self.mechanism), f"for {self.mechanism}"
        yield from said_once(self, "password")
        if own is None:
            yield from needed(self, "username", "password", when=by)
        else:
            yield from useless(self, "username", "password", when=by)
        if own == "oauth":
            yield from needed(self, "oauth", when=by)
        yield from useless(self, *(name for name in _SECTION_OF.values() if name != own), when=by)
