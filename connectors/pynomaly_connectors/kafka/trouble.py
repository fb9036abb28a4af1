"""What librdkafka says about its connections outside of any call, and how long that has lasted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from pynomaly.application.spec.source import KafkaConnection
from pynomaly.domain.error import TransientError
from pynomaly_connectors.kafka.error_code import OUTAGE
from pynomaly_connectors.kafka.handshake import speaks_tls
from pynomaly_connectors.kafka.refusal import is_refusal, refused, refused_plaintext

Clock = Callable[[], float]

_log = logging.getLogger(__name__)


class Trouble:
    """Connection errors of one client since it last worked.

    A wrong password never raises and never appears among the messages; a dead broker just goes silent. Both
    are told to the error callback only, which is `report`. That a TLS listener was spoken to in plaintext is told
    nowhere: then one look is taken at how the brokers answer.

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
        self._has_looked = connection.security.encrypts

    @property
    def present(self) -> bool:
        """Whether all brokers were reported away, or refused us, since `clear`."""
        return self._since is not None

    def report(self, error: KafkaError) -> None:
        """Take an error from the client's callback."""
        self._last = error.str()
        refusal = is_refusal(error)
        if refusal:
            self._refused = self._last
        if (refusal or error.code() in OUTAGE) and self._since is None:
            self._since = self._clock()
            facts = {"bootstrap": self._connection.bootstrap, "error": self._last}
            _log.warning("kafka_brokers_unreachable", extra=facts)

    def clear(self) -> None:
        """Take note that the cluster works."""
        if self._since is not None:
            _log.warning("kafka_brokers_reachable", extra={"bootstrap": self._connection.bootstrap})
        self._since, self._refused, self._last = None, "", ""

    def raise_refusal(self) -> None:
        """Raise if the brokers refuse our log-in or certificate, or speak TLS where we do not.

        Raises
        ------
        AccessError
            Then: waiting longer would not help.
        """
        if self._refused:
            raise refused(self._connection, self._refused)
        if self.present and not self._has_looked:
            self._has_looked = True
            if speaks_tls(self._connection):
                raise refused_plaintext(self._connection)

    def raise_outage(self) -> None:
        """Raise if the trouble has lasted longer than the connection allows.

        Brokers that are on their way up or down may refuse for a moment whom they will take again.

        Raises
        ------
        AccessError
            Then, if the brokers refuse us.
        TransientError
            Then, if they are silent.
        """
        if self._is_lasting():
            self.raise_refusal()
            raise TransientError(self.silence())

    def raise_lasting_refusal(self) -> None:
        """Raise if the brokers have refused us for longer than the connection allows; wait for silent ones.

        Raises
        ------
        AccessError
            Then.
        """
        if self._refused and self._is_lasting():
            self.raise_refusal()

    def _is_lasting(self) -> bool:
        return self._since is not None and self._clock() - self._since >= self._connection.timeout_s

    def silence(self, otherwise: str = "no reason known") -> str:
        """Say what to do about brokers that do not answer, with the last reason that they gave."""
        return (
            f"kafka at {self._connection.bootstrap} must answer within {self._connection.timeout_s:g} s, was silent "
            f"({self._last or otherwise}); start the brokers, or correct `bootstrap` "
            "or `security` (a listener that wants a log-in just hangs up on who has none)"
        )
