"""What a flow does about records that retention has deleted before it read them: `source.out_of_range`.

A position *beyond* the end of a log is not for this policy and always stops the flow. The log was cut back, and the
records that come now get offsets that others had; alerts on them would get the ids of other alerts.
"""

from __future__ import annotations

import logging

from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.record import Stream
from pynomaly_connectors.kafka.cluster import find_topic, recreated
from pynomaly_connectors.kafka.gap_ledger import Gap, GapLedger
from pynomaly_connectors.log_position import Log

_log = logging.getLogger(__name__)


class LostRecords:
    """Decides where a partition goes on, and leaves a trace of every record that it passes over.

    Parameters
    ----------
    source
        The topic and its policy.
    ledger
        Keeps the gaps with the state; None: nothing is resumed.
    """

    def __init__(self, source: KafkaSource, ledger: GapLedger | None) -> None:
        self._source = source
        self._policy = source.out_of_range
        self._ledger = ledger

    def check_topic(self, stream: Stream) -> None:
        """Ask whether a stream's topic is still the one that is read: another one of its name has other offsets.

        Raises
        ------
        StateError
            When it is not.
        UnavailableError
            When it is gone, or the cluster silent.
        """
        found = find_topic(self._source, stream.name)
        if found.id != stream.incarnation:
            raise recreated(stream.name, stream.incarnation, found.id)

    def pass_over(self, log: Log, offset: int) -> int:
        """Return where to go on instead of an offset that a log does not hold.

        Raises
        ------
        UnavailableError
            When the flow is to stop then, the log was cut back, or the ledger cannot be written.
        StateError
            When the ledger is damaged.
        """
        if self._policy == "fail" or offset >= log.low:
            raise log.out_of_range(offset)
        target = log.low if self._policy == "earliest" else log.high
        if self._ledger is not None:
            target = self._keep(self._ledger, log, offset, target)
        facts = {"stream": str(log.stream), "first": offset, "end": target, "offsets": target - offset}
        _log.warning("kafka_records_skipped", extra={**facts, "policy": self._policy})
        return target

    def recall(self, stream: Stream) -> None:
        """Tell of the gaps that the state of a partition has from earlier, at its opening."""
        if self._ledger is None:
            return
        gaps = self._ledger.read(stream.name, stream.partition)
        if gaps.count > 0:
            facts = {"stream": str(stream), "gaps": gaps.count, "offsets": gaps.offsets}
            path = self._ledger.path(stream.name, stream.partition)
            _log.warning("kafka_records_were_skipped", extra={**facts, "ledger": str(path)})

    def _keep(self, ledger: GapLedger, log: Log, offset: int, target: int) -> int:
        gaps = ledger.read(log.stream.name, log.stream.partition)
        known = gaps.resumption(offset)
        if known is not None and log.holds(known):
            target = known
        ledger.write(log.stream.name, log.stream.partition, gaps.with_gap(Gap(offset, target)))
        return target
