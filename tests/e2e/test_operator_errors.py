"""What an operator sees when something is wrong: one line that says what to do, the right exit status, in time.

And what no operator must ever see: a flow that begins again at zero because its state was damaged, lost or another's.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics, until
from e2e.flow_file import derived_flow
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Ended, Program
from e2e.traffic import Traffic, send, spread
from e2e.verifier import lines, offsets, without_repeats
from fault_table import Figures

_USAGE, _DATA, _NO_INPUT, _UNAVAILABLE, _CONFIG = 64, 65, 66, 69, 78
_SILENCE_S = 2
_WITHIN_S = 40.0  # program start on a busy machine included; what is waited for is bounded by `_SILENCE_S`
_STORE = "part-0.sqlite3"
_RUN = "run"

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def _refused(ended: Ended, code: int, *texts: str) -> None:
    """Fail unless a process ended with that status and one line of error with these texts."""
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    assert len(ended.complaints) == 1, ended.err
    for text in texts:
        assert text in ended.complaints[0]


@pytest.fixture(scope="module")
def history(kafka: KafkaTopics, tmp_path_factory: pytest.TempPathFactory) -> FlowRuns:
    """A flow that has run once over a topic of 6,000 records."""
    folder = tmp_path_factory.mktemp("history")
    program = Program(folder)
    changes = {"alert": TALKATIVE, "source": {"timeout_s": _SILENCE_S}}
    runs = FlowRuns.of("kafka", changes, program, kafka, folder / "flow.yaml", folder.parent.name + "-history")
    runs.create_topics(1, (_RUN,))
    send(kafka.bootstrap, runs.readings, Traffic(10, 600, 1, spread(60, range(600), 10)).records())
    assert runs.finish(_RUN)
    program.close()
    return runs


@pytest.fixture
def flow(history: FlowRuns, program: Program, tmp_path: Path) -> FlowRuns:
    """A copy of that flow with its state and its files, to spoil."""
    shutil.copytree(history.file.parent, tmp_path, dirs_exist_ok=True)
    return FlowRuns(program, history.topics, tmp_path / "flow.yaml", history.readings)


def _refused_without_a_trace(flow: FlowRuns, *texts: str, file: Path | None = None) -> None:
    """Fail unless the spoiled flow refuses to run, and neither alerts nor outcomes have come from the attempt."""
    before = len(flow.alerted(_RUN)), flow.outcomes(_RUN).read_bytes()
    for _ in range(2):  # a second attempt must not be luckier
        command = ("run", file or flow.file, "--state", f"state-{_RUN}", "--until-end")
        ended = flow.program.run(*command, within_s=_WITHIN_S, **flow.environment(_RUN))
        _refused(ended, _DATA, "start over with --reset-state", *texts)
    assert (len(flow.alerted(_RUN)), flow.outcomes(_RUN).read_bytes()) == before


def test_unreachable_broker(program: Program, tmp_path: Path) -> None:
    """A broker that does not answer ends the start with 69 after the flow's own bound."""
    flow = derived_flow("kafka", tmp_path / "flow.yaml", {"source": {"timeout_s": _SILENCE_S}})
    nobody = {"KAFKA_BOOTSTRAP": "127.0.0.1:1", "KAFKA_INPUT_TOPIC": "in", "KAFKA_ALERT_TOPIC": "out"}
    ended = program.run("run", flow, within_s=_WITHIN_S, **nobody)
    _refused(ended, _UNAVAILABLE, "kafka at 127.0.0.1:1 must answer within 2 s", "start the brokers")


def test_missing_input_topic(flow: FlowRuns) -> None:
    """A topic that does not exist ends the start with 66 and the command that creates it."""
    environment = {**flow.environment(_RUN), "KAFKA_INPUT_TOPIC": "no-such-topic"}
    ended = flow.program.run("run", flow.file, "--state", "fresh", within_s=_WITHIN_S, **environment)
    _refused(ended, _NO_INPUT, "topic no-such-topic at", "pynomaly topics create")


def test_missing_alert_topic(flow: FlowRuns) -> None:
    """An alert topic that does not exist is missed before anything starts."""
    environment = {**flow.environment(_RUN), "KAFKA_ALERT_TOPIC": "no-such-alerts"}
    ended = flow.program.run("run", flow.file, "--state", "fresh", within_s=_WITHIN_S, **environment)
    _refused(ended, _NO_INPUT, "topic no-such-alerts at", "pynomaly topics create")
    assert "panicked" not in ended.err


def test_bad_flow(program: Program, tmp_path: Path) -> None:
    """Everything that is wrong with a flow is said at once, with its place, and the status is 78."""
    changes = {
        "sourc": {},
        "record": {"values": []},
        "detectors": [{"detector": "ew_zscor", "half_life": 10}, {"detector": "ew_zscore", "half_life": -1}],
        "checkpoint": {"every": "soon"},
    }
    flow = derived_flow("kafka", tmp_path / "flow.yaml", changes)
    ended = program.run("run", flow, within_s=_WITHIN_S)
    assert ended.code == _CONFIG
    assert "Traceback" not in ended.err
    places = {line.removeprefix("error: ").split(": ")[0] for line in ended.complaints}
    assert places >= {"sourc", "record.values", "checkpoint.every", "source.bootstrap", "source.topic"}, ended.err
    assert any("ew_zscore" in line and "ew_zscor'" in line for line in ended.complaints), ended.err
    assert any("half_life" in line for line in ended.complaints), ended.err


def test_no_such_flow_and_no_such_option(program: Program) -> None:
    """A flow file that is not there gives 66, an unknown option 64."""
    _refused(program.run("run", "nowhere.yaml", within_s=_WITHIN_S), _NO_INPUT, "nowhere.yaml")
    _refused(program.run("run", "nowhere.yaml", "--unti-end", within_s=_WITHIN_S), _USAGE, "--unti-end")


def test_second_process_on_one_folder(flow: FlowRuns, tell: Callable[[Figures], None]) -> None:
    """The second one is refused and names the first, which goes on and ends in order."""
    first = flow.start(_RUN)
    flow.await_new_epoch(first, _RUN)
    since = time.monotonic()
    second = flow.start(_RUN).wait(_WITHIN_S)
    note = f"refused {time.monotonic() - since:.1f} s after its start"
    _refused(second, _DATA, "must not be in use", f"process {first.pid}", "another --state folder")
    before = len(flow.alerted(_RUN))
    send(flow.bootstrap, flow.readings, Traffic(10, 600, 1, spread(60, range(600), 10)).records())
    until(lambda: len(flow.alerted(_RUN)) > before, "the first process alerts on", 30.0)
    assert first.terminate().code == 0
    alerted, records = flow.finish(_RUN), offsets(flow.bootstrap, flow.readings)
    repeated = len(alerted) - len(without_repeats(alerted))
    lost = len(records - {(line["partition"], line["offset"]) for line in lines(flow.outcomes(_RUN))})
    tell(Figures(19, "second process on one state folder", len(records), lost, repeated, note=note))
    assert lost == repeated == 0


def _spoil_header(store: Path) -> None:
    with store.open("r+b") as file:
        file.write(b"not a database at all")


def _spoil_pages(store: Path) -> None:
    size = store.stat().st_size
    with store.open("r+b") as file:
        for place in range(4096, size, 4096):
            file.seek(place)
            file.write(b"\xa5" * 512)


def _cut_short(store: Path) -> None:
    with store.open("r+b") as file:
        file.truncate(store.stat().st_size // 2)


def _empty(store: Path) -> None:
    store.write_bytes(b"")


def _delete(store: Path) -> None:
    store.unlink()


def _delete_folder(store: Path) -> None:
    shutil.rmtree(store.parent)


def _delete_identity(store: Path) -> None:
    (store.parent / "flow.json").unlink()


@pytest.mark.parametrize(
    "spoil", [_spoil_header, _spoil_pages, _cut_short, _empty, _delete, _delete_folder, _delete_identity]
)
def test_damaged_store(flow: FlowRuns, spoil: Callable[[Path], None]) -> None:
    """A recovery store that is damaged or gone is never replaced by an empty one."""
    spoil(flow.state(_RUN) / "recovery" / _STORE)
    _refused_without_a_trace(flow, "restore the state folder from a backup")


def test_store_of_another_folder(flow: FlowRuns) -> None:
    """The store of another state folder of the same flow is recognised."""
    flow.topics.create(flow.alerts("other"))
    flow.finish("other")
    shutil.copy(flow.state("other") / "recovery" / _STORE, flow.state(_RUN) / "recovery" / _STORE)
    _refused_without_a_trace(flow, "must be the one of this folder")


def test_recreated_topic(flow: FlowRuns) -> None:
    """A topic that was deleted and created again is another one, though it has as many records."""
    readings = f"{flow.readings}-recreated"
    own = FlowRuns(flow.program, flow.topics, flow.file, readings)
    own.create_topics(1, (_RUN,))
    traffic = Traffic(10, 600, 1, spread(60, range(600), 10))
    send(own.bootstrap, readings, traffic.records())
    shutil.rmtree(own.state(_RUN))
    own.outcomes(_RUN).unlink()
    own.finish(_RUN)
    own.topics.delete(readings)
    own.topics.create(readings)
    send(own.bootstrap, readings, traffic.records())
    _refused_without_a_trace(own, readings)


def test_changed_flow_on_old_state(flow: FlowRuns, tmp_path: Path) -> None:
    """State of a flow with other detectors is not continued."""
    changed = tmp_path / "changed.yaml"
    changed.write_text(flow.file.read_text().replace("- ew_zscore", "- running_range"))
    assert changed.read_text() != flow.file.read_text()
    _refused_without_a_trace(flow, "fingerprint must be", file=changed)


def test_output_file_that_lost_lines(flow: FlowRuns) -> None:
    """An outcomes file that is shorter than what was written to it stops the start."""
    outcomes = flow.outcomes(_RUN)
    outcomes.write_bytes(outcomes.read_bytes()[:1000])
    _refused_without_a_trace(flow, outcomes.name, "put the file back")
