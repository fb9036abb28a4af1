"""What a topic's settings say of its retention, asked for without waiting for the answer."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage] # documented there, as is the next one
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)

from pynomaly_connectors.kafka.background_admin import BackgroundAdmin
from pynomaly_connectors.kafka.loss_forecast import Retention
from pynomaly_connectors.kafka.trouble import Clock

_EVERY_S: Final = 60.0  # an operator who raises the retention sees what it does to the forecast
_ASK_S: Final = 10.0
_log = logging.getLogger(__name__)


class TopicRetention:
    """Asks for a topic's settings now and then.

    Parameters
    ----------
    topic
        Its name.
    admin
        Asks the cluster.
    clock
        Monotonic seconds.
    """

    def __init__(self, topic: str, admin: BackgroundAdmin, clock: Clock = time.monotonic) -> None:
        self._topic = topic
        self._admin = admin
        self._clock = clock
        self._due_at = clock()
        self._answer: Future[Any] | None = None
        self._known = Retention()
        self._was_refused = False

    def look(self) -> Retention:
        """Return what is known by now, without limits before the first answer or where we may not ask; never blocks."""
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            self._take(answer)
        elif self._answer is None and self._clock() >= self._due_at:
            self._due_at = self._clock() + _EVERY_S
            resource = ConfigResource(ResourceType.TOPIC, self._topic)
            self._answer = self._admin.ask(
                lambda client: client.describe_configs([resource], request_timeout=_ASK_S)[resource]
            )
        return self._known

    def _take(self, answer: Future[Any]) -> None:
        try:
            entries = answer.result()
        except KafkaException as failure:
            if not self._was_refused:
                self._was_refused = True
                facts = {"topic": self._topic, "error": failure.args[0].str()}
                _log.info("kafka_retention_unknown", extra=facts)
            return
        self._was_refused = False
        self._known = retention_of({name: entry.value for name, entry in entries.items()})


def retention_of(settings: Mapping[str, str | None]) -> Retention:
    """Read a topic's settings; a topic that is only compacted loses no key's last record to age or size."""
    if "delete" not in (settings.get("cleanup.policy") or "delete"):
        return Retention()
    age_ms, size = int(settings.get("retention.ms") or -1), int(settings.get("retention.bytes") or -1)
    return Retention(math.inf if age_ms < 0 else age_ms / 1e3, size >= 0)
