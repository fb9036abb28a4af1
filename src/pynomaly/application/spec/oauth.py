"""How a token for OAUTHBEARER is got from an identity provider (OpenID Connect)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pynomaly.application.spec.client_key import ClientKey
from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.secret import FilePath, Secret, Text, is_given, needed, said_once, useless
from pynomaly.application.spec.section import Name, Section

_CLAIM: str = "sasl.oauthbearer.assertion.claim"


class AssertionSpec(Section):
    """A signed statement of who we are, in place of a client secret (RFC 7523)."""

    file: Annotated[FilePath | None, ClientKey("sasl.oauthbearer.assertion.file", is_path=True)] = None
    """A statement that somebody else signs and renews; else we sign one with `key`."""
    key: Annotated[Secret | None, ClientKey("sasl.oauthbearer.assertion.private.key.pem")] = None
    """Private key that signs, as PEM text."""
    key_file: Annotated[FilePath | None, ClientKey("sasl.oauthbearer.assertion.private.key.file", is_path=True)] = None
    """The same as a PEM file."""
    key_password: Annotated[Secret | None, ClientKey("sasl.oauthbearer.assertion.private.key.passphrase")] = None
    """What unlocks the private key."""
    key_password_file: Annotated[
        FilePath | None, ClientKey("sasl.oauthbearer.assertion.private.key.passphrase", is_content=True)
    ] = None
    """File with what unlocks the private key."""
    algorithm: Annotated[Literal["RS256", "ES256"] | None, ClientKey("sasl.oauthbearer.assertion.algorithm")] = None
    """Algorithm of the signature; by default RS256."""
    audience: Annotated[Text | None, ClientKey(f"{_CLAIM}.aud")] = None
    """Claim `aud`."""
    issuer: Annotated[Text | None, ClientKey(f"{_CLAIM}.iss")] = None
    """Claim `iss`."""
    subject: Annotated[Text | None, ClientKey(f"{_CLAIM}.sub")] = None
    """Claim `sub`."""
    unique_id: Annotated[bool | None, ClientKey(f"{_CLAIM}.jti.include")] = None
    """Whether each statement carries an id of its own, claim `jti`."""
    valid_s: Annotated[Annotated[int, Field(ge=1, le=86_400)] | None, ClientKey(f"{_CLAIM}.exp.seconds")] = None
    """How long a statement holds, claim `exp` [s]; by default 300."""
    valid_before_s: Annotated[Annotated[int, Field(ge=0, le=86_400)] | None, ClientKey(f"{_CLAIM}.nbf.seconds")] = None
    """How long before now it begins to hold, claim `nbf` [s]; by default 60."""
    template_file: Annotated[
        FilePath | None, ClientKey("sasl.oauthbearer.assertion.jwt.template.file", is_path=True)
    ] = None
    """JSON file with further headers and claims."""

    @model_validator(mode="after")
    def _agrees(self) -> AssertionSpec:
        complaints = list(said_once(self, "key", "key_password"))
        if self.file is not None:
            complaints += useless(self, "key", "key_password", "algorithm", when="with `file`, which is signed already")
        else:
            complaints += needed(self, "key", when="without `file`")
        if complaints:
            raise as_validation_error("assertion", complaints)
        return self


class OauthSpec(Section):
    """Where tokens come from: by a client secret, by an `assertion`, or by the machine's own identity."""

    token_endpoint: Annotated[
        Annotated[str, Field(max_length=2_000, pattern="^https?://[^/]+")] | None,
        ClientKey("sasl.oauthbearer.token.endpoint.url"),
    ] = None
    """URL of the identity provider's token endpoint."""
    client_id: Annotated[Text | None, ClientKey("sasl.oauthbearer.client.id")] = None
    """Who we are to the identity provider."""
    client_secret: Annotated[Secret | None, ClientKey("sasl.oauthbearer.client.secret")] = None
    """How we prove it."""
    client_secret_file: Annotated[FilePath | None, ClientKey("sasl.oauthbearer.client.secret", is_content=True)] = None
    """File with how we prove it."""
    assertion: AssertionSpec | None = None
    """A signed statement in place of the client secret."""
    metadata: Annotated[
        Literal["azure_imds", "aws_iam"] | None, ClientKey("sasl.oauthbearer.metadata.authentication.type")
    ] = None
    """Let the cloud that we run in vouch for us; needs neither id nor secret."""
    scope: Annotated[Text | None, ClientKey("sasl.oauthbearer.scope")] = None
    """Scope of the token."""
    extensions: Annotated[Text | None, ClientKey("sasl.oauthbearer.extensions")] = None
    """What the brokers are told beside the token: `name=value`, separated by commas."""
    subject_claim: Annotated[Name | None, ClientKey("sasl.oauthbearer.sub.claim.name")] = None
    """Claim of the token that holds the principal; by default `sub`."""
    ca: Annotated[Text | None, ClientKey("https.ca.pem")] = None
    """Certificates of the authorities that may vouch for the identity provider, as PEM text."""
    ca_file: Annotated[FilePath | None, ClientKey("https.ca.location", is_path=True)] = None
    """The same as a PEM file or a folder of them."""
    unsecured: Annotated[bool | None, ClientKey("enable.sasl.oauthbearer.unsecure.jwt")] = None
    """Make tokens without signature, as `config` says; for trials with brokers that take them."""
    config: Annotated[Secret | None, ClientKey("sasl.oauthbearer.config")] = None
    """What goes into tokens without signature, or parameters of `metadata`."""

    @model_validator(mode="after")
    def _agrees(self) -> OauthSpec:
        complaints = list(self._complaints())
        if complaints:
            raise as_validation_error("oauth", complaints)
        return self

    def _complaints(self) -> Iterator[Complaint]:
        yield from said_once(self, "client_secret", "ca")
        provider = ("token_endpoint", "client_id", "client_secret", "assertion")
        if self.unsecured:
            yield from useless(self, *provider, "metadata", when="with `unsecured`: nobody is asked")
        elif self.metadata is not None:
            yield from useless(self, "client_secret", "assertion", when="with `metadata`")
        elif self.assertion is not None:
            yield from needed(self, "token_endpoint", when="to get a token")
            yield from useless(self, "client_secret", when="with `assertion`")
        else:
            yield from needed(self, *provider[:3], when="to get a token")
        if not self.unsecured and self.metadata is None and is_given(self, "config"):
            yield Complaint(("config",), "must be left out without `unsecured` or `metadata`")
