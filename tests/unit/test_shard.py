"""Which partitions a shard reads, what it writes, and how it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.application.shard import Shard, number_of
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.shard_files import with_own_files
from pynomaly.application.spec.sink import FileSink, KafkaSink
from pynomaly.application.tally import Totals, total_of
from pynomaly.domain.error import ConfigError, StateError
from pynomaly.domain.outcome import Level, Reason
from pynomaly_flows.folder_lock import hold
from pynomaly_flows.shard_folders import alone, one_of_many

_SPEC = {
    "flow": "pumps",
    "source": {"kind": "memory", "topic": "readings"},
    "record": {"time": {"field": "t"}, "values": ["v"]},
    "detectors": ["ew_zscore"],
    "output": {
        "alerts": {"kind": "kafka", "bootstrap": "127.0.0.1:9", "topic": "alerts"},
        "dead_letters": {"kind": "file", "path": "out/dead-letters.jsonl"},
    },
}


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_divide_the_partitions(count: int) -> None:
    """Partition p belongs to shard p mod N; every file belongs to exactly one shard."""
    for number in range(20):
        owners = [shard.index for shard in Shard.all_of(count) if shard.owns(f"readings:{number}")]
        assert owners == [number % count]
    for path in ("data/a.csv", "data/b.csv", "data/2024:late.csv"):
        assert sum(shard.owns(path) for shard in Shard.all_of(count)) == 1


def test_only_a_topic_numbers_its_partitions() -> None:
    """The number is what follows the last colon."""
    assert [number_of(name) for name in ("readings:3", "a:b:12", "data.csv", "readings:x", ":3")] == [
        3,
        12,
        None,
        None,
        None,
    ]


def test_a_shard_is_written_as_it_is_read() -> None:
    """`K/N`, counted from 0."""
    assert Shard.parse("1/4") == Shard(1, 4)
    assert str(Shard.parse("1/4")) == "1/4"


@pytest.mark.parametrize("text", ["", "1", "4/4", "-1/2", "1/0", "1/2/3", "a/b", "0/1025"])
def test_anything_else_is_refused(text: str) -> None:
    """The error says how a shard is written."""
    with pytest.raises(ConfigError, match=r"--shard: must be K/N with 0 <= K < N <= 1024, was '"):
        Shard.parse(text)


def test_a_shard_writes_files_of_its_own() -> None:
    """A topic may have several writers, a file has one; nothing that decides about alerts changes."""
    spec = FlowSpec.model_validate(_SPEC)
    own = with_own_files(spec, Shard(1, 2))
    assert isinstance(own.output.dead_letters, FileSink)
    assert own.output.dead_letters.path == "out/dead-letters.shard-1-of-2.jsonl"
    assert isinstance(own.output.alerts, KafkaSink)
    assert own.output.alerts == spec.output.alerts
    assert own.fingerprint() == spec.fingerprint()


def test_totals_of_several_processes_are_sums() -> None:
    """Counts add up by kind; the newest time is the newest of all."""
    one = Totals({Reason.ALERTED: 2}, {}, {Level.WATCH: 2}, {"alerts": 2}, series=3, newest_time_ns=5)
    other = Totals({Reason.ALERTED: 1, Reason.BELOW_THRESHOLD: 4}, {}, {}, {"alerts": 1}, series=4, newest_time_ns=None)
    whole = total_of([one, other.without_series()])
    assert whole.by_reason == {Reason.ALERTED: 3, Reason.BELOW_THRESHOLD: 4}
    assert (whole.alerts, whole.delivered, whole.series) == ({Level.WATCH: 2}, {"alerts": 3}, 3)
    assert (whole.records, whole.newest_time_ns) == (7, 5)
    assert total_of([]).records == 0


def _leave_state(folder: Path) -> None:
    (folder / "recovery").mkdir(parents=True)


@pytest.mark.parametrize(("was", "asked"), [("shard-0-of-2", 3), ("shard-0-of-2", None), (".", 2)])
def test_another_number_of_shards_is_refused(tmp_path: Path, was: str, asked: int | None) -> None:
    """State belongs to partitions, and these would have other owners; the text says all ways out."""
    _leave_state(tmp_path / was)
    ways_out = r"was asked to run .*: run it with.*, give the flow a new --state .*, or start over with --reset-state"
    with pytest.raises(StateError, match=ways_out), alone(tmp_path, asked, reset=False):
        pass


def test_a_reset_forgets_every_number_of_shards(tmp_path: Path) -> None:
    """Afterwards any number may be run."""
    for folder in (".", "shard-0-of-2", "shard-1-of-2"):
        _leave_state(tmp_path / folder)
    with alone(tmp_path, 3, reset=True):
        assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]


def test_single_shards_share_a_folder_that_nobody_has_alone(tmp_path: Path) -> None:
    """Each shard is run once, whoever starts it; a supervisor or a flow without shards must wait for all of them."""
    with one_of_many(tmp_path, Shard(0, 2), supervised=False, reset=False):
        with one_of_many(tmp_path, Shard(1, 2), supervised=False, reset=False):
            pass
        with pytest.raises(StateError, match="must not be in use"), alone(tmp_path, 2, reset=False):
            pass
        with (
            pytest.raises(StateError, match="must not be in use"),
            one_of_many(tmp_path, Shard(0, 2), supervised=False, reset=False),
        ):
            pass
    with hold(tmp_path), pytest.raises(StateError, match=r"was held by process \d+"):
        one_of_many(tmp_path, Shard(1, 2), supervised=False, reset=False).__enter__()
