"""What brokers mean when they refuse a connection, and what an operator can do about it.

librdkafka has a code for a failed log-in and one for a failed TLS handshake; a broker that turns down our certificate
is only a lost connection to it, with the TLS alert (RFC 8446, section 6.2) in the text.
"""

from __future__ import annotations

import re
from typing import Final

from confluent_kafka import KafkaError

from pynomaly.application.spec.source import KafkaConnection
from pynomaly.domain.error import AccessError
from pynomaly_connectors.kafka.error_code import CREDENTIALS_REFUSED
from pynomaly_connectors.kafka.handshake import unfit_certificate

_TLS_ALERT: Final = re.compile(r"SSL alert number (?P<number>\d+)")
#: Alerts about what the client has shown: handshake_failure, the certificate ones, unknown_ca, access_denied,
#: decrypt_error, certificate_required.
_ALERTS_ABOUT_US: Final = frozenset({40, 41, 42, 43, 44, 45, 46, 48, 49, 51, 116})
_UNFIT: Final = re.compile(r"certificate verify failed", re.IGNORECASE)
_NO_TLS_THERE: Final = ("connecting to a PLAINTEXT broker listener?", "wrong version number")

_REMEDIES: Final = (
    (
        re.compile(r"mechanism handshake failed"),
        "set `security.sasl.mechanism` to one that the brokers have switched on",
    ),
    (
        re.compile(r"token endpoint|OIDC|JWT|OAUTHBEARER", re.IGNORECASE),
        "check `security.sasl.oauth`, and that the brokers take the tokens of that provider",
    ),
    (
        re.compile("|".join(map(re.escape, _NO_TLS_THERE))),
        "the listener speaks no TLS: set `bootstrap` to one that does",
    ),
    (
        _UNFIT,
        "renew the brokers' certificate if it has expired, else give its authority as `security.tls.ca_file`",
    ),
    (
        _TLS_ALERT,
        "give a certificate that they trust and that has not expired as `security.tls.certificate_file`, and its key",
    ),
    (
        re.compile(r"authentication", re.IGNORECASE),
        "check user and password of `security.sasl`, and that the brokers know them",
    ),
)
_ANY_REMEDY: Final = "check the section `security`"


def is_refusal(error: KafkaError) -> bool:
    """Tell whether an error of the client means that the brokers will not have us: waiting does not help."""
    text = error.str()
    if error.code() in CREDENTIALS_REFUSED or any(hint in text for hint in _NO_TLS_THERE):
        return True
    alert = _TLS_ALERT.search(text)
    return alert is not None and int(alert["number"]) in _ALERTS_ABOUT_US


def refused(connection: KafkaConnection, reason: str) -> AccessError:
    """Say that a cluster refuses us, with the reason that the client gave, and what to do."""
    remedy = next((remedy for pattern, remedy in _REMEDIES if pattern.search(reason)), _ANY_REMEDY)
    told = _short(reason)
    if _UNFIT.search(reason):
        seen = unfit_certificate(connection)
        told = told if seen is None else f"{told} ({seen})"
    return AccessError(f"kafka at {connection.bootstrap} must accept this client, was refused: {told}; {remedy}")


def refused_plaintext(connection: KafkaConnection) -> AccessError:
    """Say that the brokers speak TLS and we do not."""
    safe = "SASL_SSL" if connection.security.protocol.startswith("SASL") else "SSL or SASL_SSL"
    return AccessError(
        f"kafka at {connection.bootstrap} must accept this client, was refused: the listener speaks TLS, and "
        f"`security.protocol` is {connection.security.protocol}; set it to {safe}"
    )


def _short(reason: str) -> str:
    """Drop what only developers of the client read: names of brokers, which are said before, and its own advice."""
    text = re.sub(r"^\w+://\S+: ", "", reason)
    text = re.sub(r": broker certificate could not be verified, verify that .* package\)", "", text)
    text = re.sub(r"error:[0-9A-F]+:SSL routines::", "", text)
    return re.sub(r" \(after \d+ms in state [^)]*(\(s\)[^)]*)?\)", "", text)
