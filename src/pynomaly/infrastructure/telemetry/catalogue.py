"""Every metric of pynomaly: the one list that the exporter, the documentation and the dashboard are held to.

A metric is added here first. Labels take few values: a flow, a stream, a closed set of words; never a series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]

#: Streams that get a label of their own; a glob over a large folder has as many streams as files.
MAX_STREAM_LABELS: Final = 1000
#: Where the counts of all further streams go. Their gauges are left out: a last value has no sum.
OTHER_STREAMS: Final = "other"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name
        As Prometheus stores it.
    kind
        Counters only grow (until a restart), gauges are the latest value, histograms count by bucket.
    unit
        Of its value.
    labels
        What tells its time series apart.
    meaning
        What it says, in one sentence.
    action
        What an operator looks for and does.
    buckets
        Upper bounds of a histogram.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str
    action: str
    buckets: tuple[float, ...] = ()


_BATCH_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_WAIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_BATCH_RECORDS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 1e6)

BUILD_INFO: Final = Metric(
    "pynomaly_build_info",
    "gauge",
    "1",
    ("flow", "version"),
    "Always 1; its labels say which flow and version this process runs.",
    "Two versions at once outside a roll-out: finish the roll-out. Replays are exact within one version only.",
)
RECORDS: Final = Metric(
    "pynomaly_records_total",
    "counter",
    "records",
    ("flow", "stream"),
    "Records judged, whatever became of them.",
    "Flat while lag grows: the flow hangs, look at its log and /healthz. Flat with lag 0: the producers are silent.",
)
OUTCOMES: Final = Metric(
    "pynomaly_outcomes_total",
    "counter",
    "records",
    ("flow", "outcome", "reason"),
    "Records by what became of them and why; sums to pynomaly_records_total.",
    "Rejected grows: read the dead letters by reason. Late grows: allow more lateness or mend the producers' clocks. "
    "Warming never ends: keys are not stable, or there is one series for each record.",
)
ALERTS: Final = Metric(
    "pynomaly_alerts_total",
    "counter",
    "alerts",
    ("flow", "level"),
    "Alerts emitted, by level.",
    "Many more than usual over many series: look for a change upstream first, then raise the levels of the flow.",
)
WINDOWS: Final = Metric(
    "pynomaly_windows_total",
    "counter",
    "windows",
    ("flow", "outcome", "reason"),
    "Windows closed, by what became of them and why; 0 in a flow without windows.",
    "Flat while records come in: the watermark stands still. Look at pynomaly_last_event_time_seconds.",
)
LAST_EVENT_TIME: Final = Metric(
    "pynomaly_last_event_time_seconds",
    "gauge",
    "seconds since 1970 UTC",
    ("flow", "stream"),
    "Latest event time of an accepted record.",
    "Far behind the clock with lag 0: the producers send old records. Ahead of the clock: their clocks are wrong.",
)
INPUT_UP: Final = Metric(
    "pynomaly_input_up",
    "gauge",
    "1",
    ("flow", "stream"),
    "1 while the input answers, 0 while brokers are out of reach or silent for 2 s.",
    "0: look at the brokers and the network. The flow waits for source.outage_s, ends with status 75, and resumes.",
)
LAG: Final = Metric(
    "pynomaly_lag_records",
    "gauge",
    "records",
    ("flow", "stream"),
    "Records of a stream that wait to be read.",
    "Grows for minutes: more comes in than is judged. Choose cheaper detectors, raise source.batch_records, or run the "
    "flow with --shards, which reads the partitions in several processes.",
)
SKIPPED: Final = Metric(
    "pynomaly_skipped_records_total",
    "counter",
    "records",
    ("flow", "stream"),
    "Offsets that retention had deleted before they were read, and that source.out_of_range passed over.",
    "Above 0: records were never judged. Keep them longer than the flow may stand still or lag behind; the log has "
    "where, and the state folder keeps it.",
)
RETENTION_ETA: Final = Metric(
    "pynomaly_retention_eta_seconds",
    "gauge",
    "seconds",
    ("flow", "stream"),
    "Time until retention deletes records before they are read, at the pace of the last minutes; +Inf while the flow "
    "keeps up.",
    "Any number: the flow falls behind for good. Raise retention.ms or retention.bytes of the topic to win time, then "
    "do what helps against lag. At 0 records are lost, and source.out_of_range says what becomes of the flow.",
)
BATCH_SECONDS: Final = Metric(
    "pynomaly_batch_seconds",
    "histogram",
    "seconds",
    ("flow",),
    "Time to judge one batch, from decoded columns to events.",
    "Compare with pynomaly_batch_records: a higher time for each record means slower detectors or a busy machine.",
    _BATCH_SECONDS,
)
BATCH_RECORDS: Final = Metric(
    "pynomaly_batch_records",
    "histogram",
    "records",
    ("flow",),
    "Records in one batch.",
    "At the limit of the flow's batch_records: the flow is catching up. Small is normal when it keeps up.",
    _BATCH_RECORDS,
)
SERIES: Final = Metric(
    "pynomaly_series",
    "gauge",
    "series",
    ("flow", "stream"),
    "Series held in memory.",
    "Near the flow's limits.series: new series will displace old ones, or be rejected as series_limit where limits."
    "at_limit says so. Raise it or split the topic.",
)
EVICTIONS: Final = Metric(
    "pynomaly_series_evicted_total",
    "counter",
    "series",
    ("flow", "reason"),
    "Series forgotten: expired, idle for longer than limits.idle; displaced, the oldest of limits.series when a new "
    "one came.",
    "Displaced grows steadily: series come back before they are learned. Raise limits.series, or look for keys that "
    "change with every record. The series.evicted events among the alerts name examples.",
)
CHECKPOINT_SECONDS: Final = Metric(
    "pynomaly_checkpoint_seconds",
    "histogram",
    "seconds",
    ("flow",),
    "Time to make one snapshot of one stream's state.",
    "No new ones for twice pynomaly_checkpoint_interval_seconds while records come in: a crash would repeat much work; "
    "see the log.",
    _WAIT_SECONDS,
)
CHECKPOINT_BYTES: Final = Metric(
    "pynomaly_checkpoint_bytes",
    "gauge",
    "bytes",
    ("flow", "stream"),
    "Size of the latest snapshot of a stream's state.",
    "Grows with pynomaly_series. Keep several times this size free where the state is stored.",
)
CHECKPOINT_INTERVAL: Final = Metric(
    "pynomaly_checkpoint_interval_seconds",
    "gauge",
    "seconds",
    ("flow",),
    "Time from one checkpoint to the next: what a crash makes the flow do again.",
    "Above checkpoint.every: the state is large, and saving it keeps to checkpoint.share. A faster disk for the state "
    "folder, or shards, bring it down. At checkpoint.longest: saving takes more than its share.",
)
CHECKPOINT_STALL: Final = Metric(
    "pynomaly_checkpoint_stall_seconds",
    "histogram",
    "seconds",
    ("flow",),
    "Time for which reading stood still around a checkpoint, delivery of its events included.",
    "Seconds: the disk of the state or the alert topic is slow. Compare with pynomaly_delivery_seconds.",
    _WAIT_SECONDS,
)
DELIVERIES: Final = Metric(
    "pynomaly_deliveries_total",
    "counter",
    "events",
    ("flow", "output"),
    "Events confirmed durable at an output.",
    "Behind pynomaly_alerts_total for longer than checkpoint.every: the output does not take events; see the log.",
)
DELIVERY_FAILURES: Final = Metric(
    "pynomaly_delivery_failures_total",
    "counter",
    "events",
    ("flow", "output"),
    "Events not confirmed when an output refused one for good or in time; the flow stops, a restart writes them again.",
    "The process ends at once, and the counter with it: delivery_failed in the log and the last line of it have the "
    "count. The last line says what is refused. Too large: raise both limits that it names. Not authorised: "
    "grant WRITE. Timed out: mend the brokers. Nothing is lost meanwhile, and nothing goes on.",
)
DELIVERY_SECONDS: Final = Metric(
    "pynomaly_delivery_seconds",
    "histogram",
    "seconds",
    ("flow", "output"),
    "Time waited until written events were durable.",
    "Seconds: brokers out of sync or unreachable. At the output's delivery_timeout_s the flow stops and resumes.",
    _WAIT_SECONDS,
)
REFITS: Final = Metric(
    "pynomaly_model_refits_total",
    "counter",
    "fits",
    ("flow", "part", "result"),
    "Scheduled fits by result: adopted, or failed, which keeps the model before it.",
    "Failed grows: read model.refit.failed among the alerts; the model in use gets older with each.",
)
DETECTOR_STATUS: Final = Metric(
    "pynomaly_detector_status_changes_total",
    "counter",
    "changes",
    ("flow", "part", "status"),
    "Detectors of other libraries that failed on ten records in a row and were left out (degraded), or answer again "
    "(working), counted for each input partition.",
    "Degraded is ahead of working: read detector.status_changed among the alerts; the other detectors go on without.",
)

#: What this program measures itself.
CATALOGUE: Final = (
    BUILD_INFO,
    RECORDS,
    OUTCOMES,
    ALERTS,
    WINDOWS,
    LAST_EVENT_TIME,
    INPUT_UP,
    LAG,
    SKIPPED,
    RETENTION_ETA,
    BATCH_SECONDS,
    BATCH_RECORDS,
    SERIES,
    EVICTIONS,
    CHECKPOINT_SECONDS,
    CHECKPOINT_BYTES,
    CHECKPOINT_INTERVAL,
    CHECKPOINT_STALL,
    DELIVERIES,
    DELIVERY_FAILURES,
    DELIVERY_SECONDS,
    REFITS,
    DETECTOR_STATUS,
)

SHARD_UP: Final = Metric(
    "pynomaly_shard_up",
    "gauge",
    "1",
    ("flow", "shard"),
    "1 while a shard runs and answers, and once it has come to the end of its input; else 0.",
    "0 for longer than a restart takes: look in the log for shard_ended with that shard.",
)
SHARD_RESTARTS: Final = Metric(
    "pynomaly_shard_restarts_total",
    "counter",
    "restarts",
    ("flow", "shard"),
    "How often the supervisor has started a shard again.",
    "Grows: the shard crashes and resumes, or somebody stops it alone; shard_ended in the log says with which status. "
    "Six crashes in a row stop them all.",
)

#: What the supervisor of `pynomaly run --shards` adds to the metrics of the shards.
SUPERVISOR_METRICS: Final = (SHARD_UP, SHARD_RESTARTS)

#: What the Prometheus client library tells of every process, on Linux only.
PROCESS_METRICS: Final = (
    Metric(
        "process_start_time_seconds",
        "gauge",
        "seconds since 1970 UTC",
        (),
        "When the process started.",
        "Changes again and again: the flow crashes and resumes. Its log says why.",
    ),
    Metric(
        "process_cpu_seconds_total",
        "counter",
        "seconds",
        (),
        "Processor time used.",
        "Near one second a second: this process is at its limit. See pynomaly_lag_records for what helps.",
    ),
    Metric(
        "process_resident_memory_bytes",
        "gauge",
        "bytes",
        (),
        "Memory in use.",
        "Grows although pynomaly_series does not: report it as a bug.",
    ),
    Metric("process_virtual_memory_bytes", "gauge", "bytes", (), "Address space in use.", "Says little by itself."),
    Metric(
        "process_open_fds",
        "gauge",
        "files",
        (),
        "Open files and sockets.",
        "Near process_max_fds: raise the limit, or follow fewer files.",
    ),
    Metric("process_max_fds", "gauge", "files", (), "Most files and sockets allowed.", "See process_open_fds."),
)
