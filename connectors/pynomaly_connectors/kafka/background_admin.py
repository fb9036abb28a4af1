"""An admin client that is asked without waiting, and that goes without a crash while an answer is on its way.

Answers are made on a thread of the client. Python may collect garbage there, and a client among it destroys itself on
its own thread, which aborts the process. So a client is kept until its answers are here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final

from confluent_kafka.admin import AdminClient

from pynomaly.application.spec.source import KafkaConnection
from pynomaly_connectors.kafka.client import connect, connection_settings

_PATIENCE_S: Final = 1.0
_abandoned: Final[list[AdminClient]] = []  # clients of brokers that did not answer; few, and until the process ends


class BackgroundAdmin:
    """One cluster; connected at the first question.

    Parameters
    ----------
    connection
        How to reach it.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self.connection = connection
        self._client: AdminClient | None = None
        self._unanswered: set[Future[Any]] = set()
        self._retired: list[tuple[AdminClient, set[Future[Any]]]] = []

    def ask(self, question: Callable[[AdminClient], Future[Any]]) -> Future[Any]:
        """Ask and return at once; the answer comes on another thread."""
        if self._client is None:  # an idle client counts as false: its length is that of its queue
            self._client = connect(AdminClient, connection_settings(self.connection))
        self._unanswered = _open(self._unanswered)
        self._retired = [(client, answers) for client, answers in self._retired if _open(answers)]
        answer = question(self._client)
        self._unanswered.add(answer)
        return answer

    def renew(self) -> None:
        """Let a fresh client ask from now on, which takes whichever broker is there."""
        if self._client is not None:
            self._retired.append((self._client, self._unanswered))
        self._client, self._unanswered = None, set()

    def close(self) -> None:
        """Let go of the cluster; waits a second at the most for answers that are on their way."""
        self.renew()
        retired, self._retired = self._retired, []
        wait(set[Future[Any]]().union(*(answers for _, answers in retired)), _PATIENCE_S)
        _abandoned.extend(client for client, answers in retired if _open(answers))


def _open(answers: set[Future[Any]]) -> set[Future[Any]]:
    return {answer for answer in answers if not answer.done()}
