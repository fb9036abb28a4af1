"""Certificates for a cluster on loopback: an authority, and what it or a stranger has signed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_DAY: Final = timedelta(days=1)
_HOSTS: Final = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, each in a file of its own.

    Parameters
    ----------
    certificate, key
        PEM files; the key is PKCS#8.
    """

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives in a folder.

    Parameters
    ----------
    folder
        Where its files go.
    name
        What it calls itself.
    """

    def __init__(self, folder: Path, name: str = "test-authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        built = _begun(self._name, self._name, self._key.public_key(), expired=False)
        signed = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            self._key, SHA256()
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(signed.public_bytes(Encoding.PEM))

    def sign(self, name: str, *, expired: bool = False, password: str | None = None) -> Identity:
        """Make an identity that is good for loopback; an expired one ended yesterday."""
        key = ec.generate_private_key(ec.SECP256R1())
        built = _begun(_name(name), self._name, key.public_key(), expired=expired)
        signed = built.add_extension(x509.SubjectAlternativeName(_HOSTS), critical=False).sign(self._key, SHA256())
        stem = f"{name}-expired" if expired else f"{name}-locked" if password else name
        made = Identity(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        made.certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        lock: KeySerializationEncryption = (
            NoEncryption() if password is None else BestAvailableEncryption(password.encode())
        )
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
        return made

    def key_store(self, identity: Identity) -> Path:
        """Write what a Java broker takes as a PEM key store: key, certificate and this authority."""
        store = identity.certificate.with_suffix(".chain.pem")
        parts = (identity.key, identity.certificate, self.certificate)
        store.write_bytes(b"".join(part.read_bytes() for part in parts))
        return store


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, expired: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    first, last = (now - 9 * _DAY, now - _DAY) if expired else (now - _DAY, now + 9 * _DAY)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last)
