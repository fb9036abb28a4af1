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
    outage_s
        How long brokers may be silent [s]; None: no longer than for one answer.
    """

    def __init__(
        self, connection: KafkaConnection, clock: Clock = time.monotonic, *, outage_s: float | None = None
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._outage_s = connection.timeout_s if outage_s is None else outage_s
        self._since: float | None = None
        self._refused = ""
        self._last = ""
        self._has_looked = connection.security.encrypts

    @property
    def present(self) -> bool:
        """Whether all brokers were reported away, or refused us, since `clear`."""
        return self._since is not None

    @property
    def outage(self) -> str | None:
        """What is wrong, in one sentence; None while nothing is known to be. May be read from any thread."""
        if self._since is None:
            return None
        return f"kafka at {self._connection.bootstrap} must answer, is out of reach ({self._last})"

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

    def answered(self, asked_at: float) -> None:
        """Take note of an answer to a question of a moment: trouble that is younger may have come after it."""
        if self._since is not None and asked_at > self._since:
            self.clear()

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
        """Raise if the trouble has lasted longer than it may.

        Raises
        ------
        AccessError
            When the brokers have refused us for longer than the connection allows.
        TransientError
            When they have been silent for longer than an outage may last.
        """
        self.raise_lasting_refusal()
        if self._lasts(self._outage_s):
            self.raise_refusal()
            raise TransientError(f"{self._silence(self._outage_s)}; a restart resumes where the last checkpoint stands")

    def raise_lasting_refusal(self) -> None:
        """Raise if the brokers have refused us for longer than the connection allows; wait for silent ones.

        Brokers that are on their way up or down may refuse for a moment whom they will take again.

        Raises
        ------
        AccessError
            Then.
        """
        if self._refused and self._lasts(self._connection.timeout_s):
            self.raise_refusal()

    def _lasts(self, bound_s: float) -> bool:
        return self._since is not None and self._clock() - self._since >= bound_s

    def silence(self, otherwise: str = "no reason known") -> str:
        """Say what to do about brokers that do not answer, with the last reason that they gave."""
        return self._silence(self._connection.timeout_s, otherwise)

    def _silence(self, bound_s: float, otherwise: str = "no reason known") -> str:
        return (
            f"kafka at {self._connection.bootstrap} must answer within {bound_s:g} s, was silent "
            f"({self._last or otherwise}); start the brokers, or correct `bootstrap` "
            "or `security` (a listener that wants a log-in just hangs up on who has none)"
        )
