"""A topic as a message sink: written messages count once every in-sync replica has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from pynomaly.application.ports import Message, MessageWriter
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.domain.error import AccessError, DeliveryError
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.kafka.client import Settings, connect, producer_settings
from pynomaly_connectors.kafka.cluster import find_topic
from pynomaly_connectors.kafka.error_code import RIGHT_MISSING, TOO_LARGE
from pynomaly_connectors.kafka.right import missing_right
from pynomaly_connectors.kafka.trouble import Clock, Trouble

_SERVE_S = 0.05
_ASK_S = 0.1
_SETTLING_S = 0.5  # for the reports that come with a failure or shortly after it
_GRACE_S = 5.0  # librdkafka may report an expiry some seconds after it
_NOTHING_TO_RESUME = b"{}"

#: The key decides.
ANY_PARTITION: Final = -1


class KafkaMessageSink:
    """One topic, written by an idempotent producer.

    While a writer lives, nothing is lost, repeated or reordered. What a crash makes the flow write again is
    byte-identical, with the same key and `ce_id`: a consumer, or a compacted topic, recognises it.

    Parameters
    ----------
    spec
        The topic and how to reach it.
    clock
        Monotonic seconds.
    """

    def __init__(self, spec: KafkaSink, clock: Clock = time.monotonic) -> None:
        self._spec = spec
        self._clock = clock
        self._is_checked = False

    @property
    def where(self) -> str:
        """Topic and cluster."""
        return f"topic {self._spec.topic} at {self._spec.bootstrap}"

    def check(self) -> None:
        """Ask for the topic.

        Raises
        ------
        MissingInputError
            When there is none.
        AccessError
            When the cluster refuses us, or the right to write is missing.
        UnavailableError
            Within the connection's bound, when the cluster is silent.
        """
        find_topic(self._spec, self._spec.topic, self._clock)
        self._is_checked = True

    def open(self, position: bytes | None) -> MessageWriter:  # noqa: ARG002 - a topic cannot be cut back
        """Open a producer; what stands behind an earlier position stays, for a topic cannot be cut back.

        Raises as `check` does, unless that has succeeded before: a flow opens an output for its first event, and
        brokers that are away by then are waited for as they are later.
        """
        if not self._is_checked:
            self.check()
        return KafkaMessageWriter(self._spec, self._clock)


class KafkaMessageWriter:
    """An open producer; made by `KafkaMessageSink.open`.

    Parameters
    ----------
    spec
        The topic and how to reach it.
    clock
        Monotonic seconds.
    settings
        Of librdkafka, before all others.
    """

    def __init__(self, spec: KafkaSink, clock: Clock = time.monotonic, settings: Settings | None = None) -> None:
        self._spec = spec
        self._clock = clock
        self._trouble = Trouble(spec, clock)
        self._producer = connect(
            Producer, producer_settings(spec) | (settings or {}) | {"error_cb": self._trouble.report}
        )
        self._failure: DeliveryError | AccessError | None = None
        self._settled = False
        self._stranded = 0  # messages that were waiting at a fatal error, whose reports may not come

    def write(self, messages: Sequence[Message]) -> None:
        """Queue messages in order; waits while the queue is full.

        Raises
        ------
        DeliveryError
            When an earlier message has failed for good, or one of these is too large.
        AccessError
            When the brokers no longer let us write.
        """
        for message in messages:
            self.send(message)
        self.raise_failed()

    def send(self, message: Message | RawRecord, partition: int = ANY_PARTITION) -> None:
        """Queue one message, by its key or into a partition; waits while the queue is full.

        Raises as `write` does.
        """
        self._raise_failure()
        self.produce(message.value, message.key, partition, list(message.headers))

    def produce(
        self,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        headers: list[tuple[str, str | bytes | None]],
        time_ms: int = 0,
    ) -> None:
        """Queue one message with a timestamp [ms], 0 for the present; waits while the queue is full.

        Raises as `write` does.
        """
        since: float | None = None
        while True:
            try:
                self._producer.produce(
                    self._spec.topic,
                    value,
                    key,
                    partition,
                    on_delivery=self._delivered,
                    timestamp=time_ms,
                    headers=headers,
                )
            except BufferError:
                # Back-pressure: the queue is bounded.
                since = self._clock() if since is None else since
                self._wait_for_room(since)
            except KafkaException as refusal:
                is_fatal = refusal.args[0].code() == KafkaError._FATAL  # noqa: SLF001 - public, but carries librdkafka's underscore
                if is_fatal:
                    self._serve(self._producer.poll, _SERVE_S)  # says why
                self._broken(self._error(refusal.args[0], value or b"", partition))
                self._stranded = max(self._stranded, 1 + (len(self._producer) if is_fatal else 0))
                self._raise_failure()
            else:
                return

    def raise_failed(self) -> None:
        """Take the delivery reports that are here; raises as `write` does."""
        self._serve(self._producer.poll, 0)
        self._raise_failure()

    def idle(self) -> str | None:
        """Take the reports that are here; while brokers are known to be away, ask whether they are back.

        Raises as `write` does.
        """
        self.raise_failed()
        if self._trouble.present:
            with suppress(KafkaException):
                self._producer.list_topics(self._spec.topic, timeout=_ASK_S)
                self._trouble.clear()
        return self._trouble.outage

    def flush(self) -> None:
        """Return when all written messages are acknowledged.

        Raises
        ------
        DeliveryError
            When one of them failed for good or its time is up.
        AccessError
            When the brokers no longer let us write.
        """
        since = self._clock()
        while self._serve(self._producer.flush, _SERVE_S) > 0:
            self._raise_failure()
            self._raise_expiry(since)
        self._raise_failure()

    def position(self) -> bytes:
        """Return a token without content: a topic is not cut back."""
        return _NOTHING_TO_RESUME

    def close(self) -> None:
        """Drop whatever was not flushed; may be called twice."""
        self._producer.purge(blocking=False)
        self._serve(self._producer.flush, _SERVE_S)

    def _serve(self, call: Callable[[float], int], seconds: float) -> int:
        """Run the client's callbacks by one of its calls.

        The client raises a fatal error out of whichever call comes next, once: brokers have lost what they had
        acknowledged (OUT_OF_ORDER_SEQUENCE_NUMBER), and the sequence of this producer cannot go on.
        """
        waiting = len(self._producer)
        try:
            return call(seconds)
        except (KafkaException, SystemError) as raised:
            # A report that `flush` hands out behind the fatal error finds that one pending, and trips over it.
            fatal = raised.__cause__ if isinstance(raised, SystemError) else raised
            if not isinstance(fatal, KafkaException):
                raise
            self._broken(self._error(fatal.args[0], b"", None))
            self._stranded = max(self._stranded, waiting)
            return len(self._producer)

    def _wait_for_room(self, since: float) -> None:
        self._serve(self._producer.poll, _SERVE_S)
        self._raise_failure()
        self._raise_expiry(since)

    def _raise_expiry(self, since: float) -> None:
        """Raise if what is queued has had its time since a moment, and more."""
        if self._clock() - since < self._spec.delivery_timeout_s + _GRACE_S:
            return
        text = (
            f"{len(self._producer)} messages to {self._spec.topic} must be acknowledged within "
            f"{self._spec.delivery_timeout_s:g} s, were not: {self._trouble.silence()}"
        )
        raise self._broken(DeliveryError(text, len(self._producer)))

    def _delivered(self, error: KafkaError | None, message: Delivered) -> None:
        if error is None:
            if self._trouble.present:
                self._trouble.clear()
            return
        if self._failure is None:
            self._failure = self._error(error, message.value() or b"", message.partition())
        self._failure.messages += 1

    def _error(self, error: KafkaError, value: bytes, partition: int | None) -> DeliveryError | AccessError:
        if error.code() in RIGHT_MISSING:
            return missing_right(self._spec, self._spec.topic, error)
        return DeliveryError(self._text(error, value, partition), messages=0)

    def _text(self, error: KafkaError, value: bytes, partition: int | None) -> str:
        where = self._spec.topic if partition is None or partition < 0 else f"{self._spec.topic}[{partition}]"
        if error.code() == TOO_LARGE:
            return (
                f"message to {where} must be no larger than client and broker allow, was {len(value)} bytes: raise "
                "`message.max.bytes` under `client` and `max.message.bytes` of the topic"
            )
        why, is_late = f"{error.name()}: {error.str()}", error.code() == KafkaError._MSG_TIMED_OUT  # noqa: SLF001 - public, as above
        remedy = self._remedy() if is_late else ""
        return f"message to {where} at {self._spec.bootstrap} must be delivered, failed: {why}{remedy}"

    def _remedy(self) -> str:
        """Say what to do about brokers that did not acknowledge in time."""
        heard = f"; {self._trouble.silence()}" if self._trouble.present else ""
        return (
            f"{heard}; look at the brokers and at `min.insync.replicas` of the topic; a restart writes again what was "
            "not acknowledged"
        )

    def _broken(self, error: DeliveryError | AccessError) -> DeliveryError | AccessError:
        """Keep the first failure: a writer that lost a message stays unusable."""
        self._failure = self._failure or error
        return self._failure

    def _raise_failure(self) -> None:
        self._trouble.raise_lasting_refusal()
        if self._failure is None:
            return
        if not self._settled:
            self._settled = True
            self._serve(self._producer.flush, _SETTLING_S)  # what is acknowledged all the same is no failure
            self._producer.purge()
            self._serve(self._producer.flush, _SERVE_S)
            self._failure.messages = max(self._failure.messages, self._stranded)
        raise self._failure
