"""What librdkafka says about its connections outside of any call, and how long that has lasted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from pynomaly.application.spec.source import KafkaConnection
from pynomaly.domain.error import TransientError, UnavailableError
from pynomaly_connectors.kafka.error_code import CREDENTIALS_REFUSED, OUTAGE

Clock = Callable[[], float]

_log = logging.getLogger(__name__)


class Trouble:
    """Connection errors of one client since it last worked.

    A wrong password never raises and never appears among the messages; a dead broker just goes silent. Both
    are told to the error callback only, which is `report`.

    Parameters
    ----------
    connection
        The cluster, for the texts and the bound.
    clock
        Monotonic seconds.
    """

    def __init__(self, connection: KafkaConnection, clock: Clock = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._since: float | None = None
        self._refused = ""
        self._last = ""

    @property
    def present(self) -> bool:
        """Whether all brokers were reported away, or refused us, since `clear`."""
        return self._since is not None

    def report(self, error: KafkaError) -> None:
        """Take an error from the client's callback."""
        self._last = error.str()
        if error.code() in CREDENTIALS_REFUSED:
            self._refused = self._last
        if error.code() in OUTAGE and self._since is None:
            self._since = self._clock()
            facts = {"bootstrap": self._connection.bootstrap, "error": self._last}
            _log.warning("kafka_brokers_unreachable", extra=facts)

    def clear(self) -> None:
        """Take note that the cluster works."""
        if self._since is not None:
            _log.warning("kafka_brokers_reachable", extra={"bootstrap": self._connection.bootstrap})
        self._since, self._refused, self._last = None, "", ""

    def raise_refusal(self) -> None:
        """Raise if the brokers refuse our credentials or certificates.

        Raises
        ------
        UnavailableError
            Then: waiting longer would not help.
        """
        if self._refused:
            raise UnavailableError(
                f"kafka at {self._connection.bootstrap} must accept the credentials, refused them: {self._refused}; "
                "check security.protocol, sasl.* and ssl.* under `client`"
            )

    def raise_outage(self) -> None:
        """Raise if the trouble has lasted longer than the connection allows.

        Raises
        ------
        TransientError
            Then.
        """
        if self._since is not None and self._clock() - self._since >= self._connection.timeout_s:
            raise TransientError(self.silence())

    def silence(self, otherwise: str = "no reason known") -> str:
        """Say what to do about brokers that do not answer, with the last reason that they gave."""
        return (
            f"kafka at {self._connection.bootstrap} must answer within {self._connection.timeout_s:g} s, was silent "
            f"({self._last or otherwise}); start the brokers, or correct `bootstrap` "
            "or security.protocol under `client`"
        )
