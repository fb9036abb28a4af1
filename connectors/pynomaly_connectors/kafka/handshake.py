"""A look at a broker's TLS by a connection of our own, to tell what librdkafka does not.

librdkafka says of every unfit certificate only that it could not be verified, and of a TLS listener that it spoke
plaintext to only that the broker went away. Nothing but a TLS handshake is sent here, and no secret.
"""

from __future__ import annotations

import socket
import ssl
from itertools import islice
from pathlib import Path
from typing import Final

from pynomaly.application.spec.bootstrap_hosts import addresses
from pynomaly.application.spec.source import KafkaConnection
from pynomaly.application.spec.tls import TlsSpec

_WAIT_S: Final = 2.0
_MOST_BROKERS: Final = 3


def speaks_tls(connection: KafkaConnection) -> bool:
    """Tell whether a broker of the list answers a TLS handshake; takes 12 s at the most, if three of them hang."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # who answers does not matter: nothing is told to them
    for host, port in islice(addresses(connection.bootstrap), _MOST_BROKERS):
        try:
            _shake_hands(context, host, port)
        except ssl.SSLError as error:
            if "ALERT" in error.reason:
                return True  # only TLS says no in its own words
        except OSError:
            continue
        else:
            return True
    return False


def unfit_certificate(connection: KafkaConnection) -> str | None:
    """Return what is wrong with a broker's certificate, as OpenSSL says it; None if nothing is found.

    Takes as long as `speaks_tls`.
    """
    try:
        context = _verifying(connection.security.tls or TlsSpec())
    except OSError:
        return None
    for host, port in islice(addresses(connection.bootstrap), _MOST_BROKERS):
        try:
            _shake_hands(context, host, port)
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except OSError:
            continue
    return None


def _verifying(tls: TlsSpec) -> ssl.SSLContext:
    folder = tls.ca_file is not None and Path(tls.ca_file).is_dir()
    file, path = (None, tls.ca_file) if folder else (tls.ca_file, None)
    context = ssl.create_default_context(cafile=file, capath=path, cadata=tls.ca)
    context.check_hostname = tls.check_host_name
    return context


def _shake_hands(context: ssl.SSLContext, host: str, port: int) -> None:
    with (
        socket.create_connection((host, port), _WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass
