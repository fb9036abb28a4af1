"""How a connection to Kafka is kept from other eyes, and how we prove who we are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import model_validator

from pynomaly.application.spec.bootstrap_hosts import is_loopback
from pynomaly.application.spec.client_key import ClientKey, keys_by_setting
from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.sasl import SaslSpec
from pynomaly.application.spec.secret import useless
from pynomaly.application.spec.section import Section
from pynomaly.application.spec.tls import TlsSpec

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class SecuritySpec(Section):
    """Encryption and log-in of one connection; nothing of it is ever shown."""

    protocol: Annotated[Protocol, ClientKey("security.protocol")] = "PLAINTEXT"
    """`SSL` encrypts, `SASL_` logs in; the listener of the brokers decides."""
    allow_plaintext: bool = False
    """Let records, alerts and passwords travel readable to brokers that are not on this machine."""
    tls: TlsSpec | None = None
    """Certificates, for `SSL` and `SASL_SSL`."""
    sasl: SaslSpec | None = None
    """Log-in, for `SASL_PLAINTEXT` and `SASL_SSL`."""

    @property
    def encrypts(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.protocol.endswith("SSL")

    @model_validator(mode="after")
    def _agrees(self) -> SecuritySpec:
        complaints = list(self._complaints())
        if complaints:
            raise as_validation_error("security", complaints)
        return self

    def _complaints(self) -> Iterator[Complaint]:
        by = f"with protocol {self.protocol}"
        logs_in = self.protocol.startswith("SASL")
        if not self.encrypts:
            yield from useless(self, "tls", when=f"{by}, which does not encrypt (SSL and SASL_SSL do)")
        if logs_in and self.sasl is None:
            yield Complaint(("sasl",), f"must be given {by}")
        if not logs_in:
            yield from useless(self, "sasl", when=f"{by}, which does not log in (SASL_SSL and SASL_PLAINTEXT do)")
        yield from self._readable_tokens()

    def _readable_tokens(self) -> Iterator[Complaint]:
        oauth = None if self.sasl is None else self.sasl.oauth
        url = urlsplit((oauth and oauth.token_endpoint) or "")
        if url.scheme == "http" and not self.allow_plaintext and not is_loopback(url.hostname or ""):
            rule = "must begin with https, or allow_plaintext must be true: the secret could be read on the way"
            yield Complaint(("sasl", "oauth", "token_endpoint"), rule)


def rule_of_plaintext(security: SecuritySpec, hosts: Iterable[str]) -> str | None:
    """Return what `allow_plaintext` must be for a connection to some hosts; None if it is well.

    A host may also be a reference to the environment that was not resolved, which is complained of on its own.
    """
    if security.encrypts or security.allow_plaintext:
        return None
    elsewhere = next((host for host in hosts if not is_loopback(host) and "${" not in host), None)
    if elsewhere is None:
        return None
    safe = "SASL_SSL" if security.protocol.startswith("SASL") else "SSL or SASL_SSL"
    return (
        f"must be true, or `protocol` {safe}: {elsewhere} is not this machine, and {security.protocol} can be read on "
        "the way"
    )


#: What of librdkafka's settings is about security -> which key to use, or why there is none.
_FURTHER: Final[Mapping[str, str]] = {
    "sasl.mechanisms": "security.sasl.mechanism",
    "sasl.oauthbearer.method": "security.sasl.oauth",
    "sasl.oauthbearer.grant.type": "security.sasl.oauth.assertion",
    "sasl.oauthbearer.client.credentials.client.id": "security.sasl.oauth.client_id",
    "sasl.oauthbearer.client.credentials.client.secret": "security.sasl.oauth.client_secret",
    "oauthbearer_token_refresh_cb": "security.sasl.oauth",
    "oauth_cb": "security.sasl.oauth",
    "ssl_ca": "security.tls.ca",
    "ssl_certificate": "security.tls.certificate",
    "ssl_key": "security.tls.key",
    "ssl.certificate.verify_cb": "security.tls.check_certificate",
    "ssl_engine_callback_data": "security.tls.engine",
    "ssl.ca.certificate.stores": "security.tls.ca_file",  # only read on Windows
}
_PREFIXES: Final = ("security.", "ssl.", "ssl_", "sasl.", "https.", "enable.ssl.", "enable.sasl.", "oauth")
KEY_OF_SETTING: Final[Mapping[str, str]] = {**keys_by_setting(SecuritySpec, "security."), **_FURTHER}


def typed_key(setting: str) -> str | None:
    """Return the key of a connection that stands for a librdkafka setting of security; None for any other setting."""
    return KEY_OF_SETTING.get(setting, "security" if setting.startswith(_PREFIXES) else None)
