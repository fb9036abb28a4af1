"""Counting a run, and telling several listeners."""

from __future__ import annotations

from pynomaly.application.tally import Tally, Tee
from pynomaly.application.telemetry import BatchProcessed, NoTelemetry, Telemetry
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import Stream
from pynomaly.domain.series import Eviction
from pynomaly.presentation.cli.counts import counts_lines

_STREAM = Stream("topic", 3)
_EVICTED = {Eviction.EXPIRED: 0, Eviction.DISPLACED: 7}


def _batch(count: int, newest_time_ns: int | None) -> BatchProcessed:
    by_reason = {Reason.ALERTED: 1, Reason.BELOW_THRESHOLD: count - 1}
    windows = {Reason.BELOW_THRESHOLD: 2}
    return BatchProcessed(_STREAM, 0.1, by_reason, {Level.CRITICAL: 1}, newest_time_ns, windows, _EVICTED)


def test_counts_add_up() -> None:
    """Records, windows and alerts sum over batches; the newest time only goes ahead."""
    tally = Tally()
    for batch in (_batch(10, 500), _batch(5, 300), _batch(2, None)):
        tally.batch_processed(batch)
    totals = tally.totals()
    assert totals.records == 17
    assert totals.by_reason == {Reason.BELOW_THRESHOLD: 14, Reason.ALERTED: 3}
    assert list(totals.by_reason) == sorted(totals.by_reason)
    assert totals.windows == {Reason.BELOW_THRESHOLD: 6}
    assert (totals.alerts, totals.alert_count) == ({Level.CRITICAL: 3}, 3)
    assert totals.newest_time_ns == 500
    assert totals.evicted == {Eviction.DISPLACED: 21}


def test_times_before_1970_and_nothing_at_all() -> None:
    """A negative time is a time, and a run without records has none."""
    tally = Tally()
    assert tally.totals().newest_time_ns is None
    tally.batch_processed(_batch(1, -5))
    tally.batch_processed(_batch(1, -9))
    assert tally.totals().newest_time_ns == -5


def test_the_epoch_itself_is_a_time() -> None:
    """Time 0 is newer than one before it, though it is no truth to Python."""
    tally = Tally()
    for newest_time_ns in (0, -5):
        tally.batch_processed(_batch(1, newest_time_ns))
    assert tally.totals().newest_time_ns == 0


def test_the_last_series_count_stands() -> None:
    """Series are a size, not a sum over batches; deliveries are a sum."""
    tally = Tally()
    for count in (1, 4):
        tally.series_counted(_STREAM, count)
        tally.events_delivered("alerts", count, 0.1)
    tally.series_counted(Stream("other"), 2)
    assert tally.totals().series == 6
    assert tally.totals().delivered == {"alerts": 5}


class _Recorder(NoTelemetry):
    """Writes down the name of every fact that it hears, with its arguments."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def __getattribute__(self, name: str) -> object:
        if name not in vars(NoTelemetry) or name.startswith("_"):
            return super().__getattribute__(name)
        return lambda *facts: self.heard.append((name, *facts))


def test_lost_records_are_counted_by_stream() -> None:
    """They were never judged, so they are none of the records."""
    tally, other = Tally(), Stream("a", 3)
    for stream, count in ((_STREAM, 4), (other, 1), (_STREAM, 2)):
        tally.records_skipped(stream, count)
    totals = tally.totals()
    assert totals.skipped == {"a[3]": 1, "topic[3]": 6}
    assert totals.records == 0
    assert any("7 records, deleted before they were read" in line for line in counts_lines("flow", totals, 1.0))


def test_a_tee_tells_all_everything() -> None:
    """Every fact of the port reaches every listener, in order."""
    first, second = _Recorder(), _Recorder()
    tee: Telemetry = Tee(first, second)
    batch = _batch(1, None)
    tee.input_polled()
    tee.batch_processed(batch)
    tee.lag_measured(_STREAM, 1)
    tee.records_skipped(_STREAM, 5)
    tee.input_answers(_STREAM, "silent")
    tee.output_answers("alerts", "silent")
    tee.loss_foreseen(_STREAM, 60.0)
    tee.series_counted(_STREAM, 2)
    tee.checkpoint_written(_STREAM, 0.1, 3)
    tee.checkpoint_interval_chosen(12.0)
    tee.checkpoint_stalled(0.2)
    tee.events_delivered("alerts", 4, 0.3)
    tee.delivery_failed("alerts", 2)
    tee.model_refitted("part")
    tee.model_refit_failed("part")
    tee.detector_status_changed("part", "degraded")
    told = {name for name in vars(Telemetry) if not name.startswith("_")}
    assert {fact[0] for fact in first.heard} == told
    assert first.heard == second.heard
    assert ("checkpoint_written", _STREAM, 0.1, 3) in first.heard
