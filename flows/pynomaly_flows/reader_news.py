"""What telemetry is told of an input partition, when it changes."""

from __future__ import annotations

from math import inf

from pynomaly.application.ports import LosesRecords, PartitionReader
from pynomaly.application.telemetry import Telemetry


class ReaderNews:
    """Watches one reader.

    Parameters
    ----------
    reader
        Looked at after each read.
    telemetry
        Told at once that the partition is read.
    """

    def __init__(self, reader: PartitionReader, telemetry: Telemetry) -> None:
        self._reader = reader
        self._telemetry = telemetry
        self._forecast = reader if isinstance(reader, LosesRecords) else None
        self._outage: str | None = None
        self._skipped = 0
        self._lost_in_s = inf
        telemetry.input_answers(reader.stream, None)

    def tell(self) -> None:
        """Tell of the lag, and of what has changed."""
        self._tell_outage()
        self._tell_skipped()
        self._tell_forecast()
        lag = self._reader.lag
        if lag is not None:
            self._telemetry.lag_measured(self._reader.stream, lag)

    def _tell_outage(self) -> None:
        outage = self._reader.outage
        if outage != self._outage:
            self._outage = outage
            self._telemetry.input_answers(self._reader.stream, outage)

    def _tell_skipped(self) -> None:
        skipped = self._reader.skipped
        if skipped > self._skipped:
            self._telemetry.records_skipped(self._reader.stream, skipped - self._skipped)
            self._skipped = skipped

    def _tell_forecast(self) -> None:
        if self._forecast is not None and self._forecast.lost_in_s != self._lost_in_s:
            self._lost_in_s = self._forecast.lost_in_s
            self._telemetry.loss_foreseen(self._reader.stream, self._lost_in_s)
