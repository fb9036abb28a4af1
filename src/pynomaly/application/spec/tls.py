"""How brokers prove who they are, and how we do by certificate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import model_validator

from pynomaly.application.spec.client_key import ClientKey
from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.secret import FilePath, Secret, Text, is_given, needed, said_once, useless
from pynomaly.application.spec.section import Section


class TlsSpec(Section):
    """Certificates of a connection by TLS; without any the brokers are checked against the system's authorities."""

    ca: Annotated[Text | None, ClientKey("ssl.ca.pem")] = None
    """Certificates of the authorities that may vouch for brokers, as PEM text."""
    ca_file: Annotated[FilePath | None, ClientKey("ssl.ca.location", is_path=True)] = None
    """The same as a PEM file or a folder of them."""
    revocations_file: Annotated[FilePath | None, ClientKey("ssl.crl.location", is_path=True)] = None
    """List of certificates that were called back (CRL)."""
    certificate: Annotated[Text | None, ClientKey("ssl.certificate.pem")] = None
    """Our certificate, as PEM text, for brokers that ask for one (mTLS)."""
    certificate_file: Annotated[FilePath | None, ClientKey("ssl.certificate.location", is_path=True)] = None
    """The same as a PEM file."""
    key: Annotated[Secret | None, ClientKey("ssl.key.pem")] = None
    """Private key of our certificate, as PEM text."""
    key_file: Annotated[FilePath | None, ClientKey("ssl.key.location", is_path=True)] = None
    """The same as a PEM file."""
    key_password: Annotated[Secret | None, ClientKey("ssl.key.password")] = None
    """What unlocks the private key."""
    key_password_file: Annotated[FilePath | None, ClientKey("ssl.key.password", is_content=True)] = None
    """File with what unlocks the private key."""
    keystore_file: Annotated[FilePath | None, ClientKey("ssl.keystore.location", is_path=True)] = None
    """Our certificate and its key in one PKCS#12 file, instead of `certificate` and `key`."""
    keystore_password: Annotated[Secret | None, ClientKey("ssl.keystore.password")] = None
    """What unlocks the key store."""
    keystore_password_file: Annotated[FilePath | None, ClientKey("ssl.keystore.password", is_content=True)] = None
    """File with what unlocks the key store."""
    check_certificate: Annotated[bool, ClientKey("enable.ssl.certificate.verification")] = True
    """Whether an authority must vouch for a broker; `false` lets anybody listen in."""
    check_host_name: Annotated[bool, ClientKey("ssl.endpoint.identification.algorithm", words=("none", "https"))] = True
    """Whether a broker's certificate must name the host that we connect to."""
    cipher_suites: Annotated[Text | None, ClientKey("ssl.cipher.suites")] = None
    """Ciphers of TLS 1.2, as OpenSSL lists them."""
    curves: Annotated[Text | None, ClientKey("ssl.curves.list")] = None
    """Elliptic curves, as OpenSSL lists them."""
    signature_algorithms: Annotated[Text | None, ClientKey("ssl.sigalgs.list")] = None
    """Signature algorithms, as OpenSSL lists them."""
    providers: Annotated[Text | None, ClientKey("ssl.providers")] = None
    """Providers that OpenSSL 3 loads, such as `default,legacy`."""
    engine: Annotated[Text | None, ClientKey("ssl.engine.id")] = None
    """Name of an OpenSSL engine; librdkafka calls engines deprecated, use `providers`."""
    engine_file: Annotated[FilePath | None, ClientKey("ssl.engine.location", is_path=True)] = None
    """Library of that engine."""

    @model_validator(mode="after")
    def _agrees(self) -> TlsSpec:
        complaints = list(self._complaints())
        if complaints:
            raise as_validation_error("tls", complaints)
        return self

    def _complaints(self) -> Iterator[Complaint]:
        yield from said_once(self, "ca", "certificate", "key", "key_password", "keystore_password")
        if self.keystore_file is not None:
            yield from useless(self, "certificate", "key", "key_password", when="with `keystore_file`")
            return
        yield from useless(self, "keystore_password", when="without `keystore_file`")
        if is_given(self, "certificate"):
            yield from needed(self, "key", when="with a certificate")
        elif is_given(self, "key"):
            yield from needed(self, "certificate", when="with a key")
        if not is_given(self, "key"):
            yield from useless(self, "key_password", when="without a key")
