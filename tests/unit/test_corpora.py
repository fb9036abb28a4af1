"""Public corpora: what is read of their folders, and what is wrong with folders that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pynomaly.domain.error import ConfigError, MissingInputError
from pynomaly_connectors.corpora import CORPORA, open_corpus

_LABELS = {"kind/a.csv": [["2026-03-01 00:05:00", "2026-03-01 00:10:00"]], "kind/b.csv": []}
_STAMPS = [f"2026-03-01 00:{minute:02}:00" for minute in range(0, 20, 5)]


def _nab(folder: Path) -> None:
    (folder / "data/kind").mkdir(parents=True)
    (folder / "labels").mkdir()
    rows = "".join(f"{stamp},{number}.5\n" for number, stamp in enumerate(_STAMPS))
    for name in ("a", "b"):
        (folder / f"data/kind/{name}.csv").write_text(f"timestamp,value\n{rows}")
    (folder / "labels/combined_windows.json").write_text(json.dumps(_LABELS))


def _skab(folder: Path) -> None:
    for group in ("normal", "valve"):
        (folder / group).mkdir(parents=True)
    rows = [(stamp, number, 10 * number, float(number > 1)) for number, stamp in enumerate(_STAMPS)]
    text = "".join(f"{stamp};{heat};{flow};{odd};0.0\n" for stamp, heat, flow, odd in rows)
    (folder / "valve/1.csv").write_text(f"datetime;Heat;Flow;anomaly;changepoint\n{text}")
    (folder / "normal/free.csv").write_text("datetime;Heat;Flow\n")


def test_nab_has_windows_by_time(tmp_path: Path) -> None:
    """Files by group; both ends of a window count."""
    _nab(tmp_path)
    corpus = open_corpus("nab", tmp_path)
    assert corpus.series() == ("kind/a.csv", "kind/b.csv")
    one, other = map(corpus.read, corpus.series())
    assert (one.group, one.fields, one.windows, other.windows) == ("kind", ("value",), ((1, 2),), ())
    assert one.values.tolist() == [[0.5], [1.5], [2.5], [3.5]]
    assert one.time_ns is not None
    assert np.diff(one.time_ns).tolist() == [300_000_000_000] * 3


def test_skab_has_labels_by_row(tmp_path: Path) -> None:
    """Files without labels are no runs; label columns are no values."""
    _skab(tmp_path)
    corpus = open_corpus("skab", tmp_path)
    assert corpus.series() == ("valve/1.csv",)
    run = corpus.read("valve/1.csv")
    assert (run.fields, run.windows, run.ranked_from) == (("Heat", "Flow"), ((2, 3),), 300)
    assert run.values.tolist() == [[0, 0], [1, 10], [2, 20], [3, 30]]


def test_smd_is_its_test_part(tmp_path: Path) -> None:
    """Without a clock, from a cold start."""
    np.savez(
        tmp_path / "machine-1-2.npz",
        train=np.zeros((9, 2), np.float32),
        test=np.arange(8, dtype=np.float32).reshape(4, 2),
        test_label=np.array([0, 1, 1, 0]),
    )
    machine = open_corpus("smd", tmp_path).read("machine-1-2")
    assert (machine.group, machine.time_ns, machine.windows) == ("machine-1", None, ((1, 2),))
    assert machine.values.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert machine.values.dtype == np.float64


def test_adbench_is_shuffled_the_same_way_every_time(tmp_path: Path) -> None:
    """Rows keep their labels; what stands in the order of time keeps that."""
    rows, labels = np.arange(100.0)[:, None], np.repeat([0, 1], 50)
    for name in ("31_other", "34_smtp"):
        np.savez(tmp_path / f"{name}.npz", X=rows, y=labels)
    corpus = open_corpus("adbench", tmp_path)
    assert (corpus.records, corpus.series()) == ("table", ("31_other", "34_smtp"))
    shuffled, again, timed = corpus.read("31_other"), corpus.read("31_other"), corpus.read("34_smtp")
    assert timed.values.tolist() == rows.tolist()
    assert timed.windows == ((50, 99),)
    assert shuffled.values.tolist() == again.values.tolist() != rows.tolist()
    anomalous = np.concatenate([shuffled.values[first : last + 1, 0] for first, last in shuffled.windows])
    assert sorted(anomalous.tolist()) == list(range(50, 100))


@pytest.mark.parametrize("kind", list(CORPORA))
def test_an_empty_folder_is_no_corpus(kind: str, tmp_path: Path) -> None:
    """The error says what was looked for."""
    with pytest.raises(MissingInputError, match="corpus must be a folder with"):
        open_corpus(kind, tmp_path).series()


def test_an_unknown_corpus_is_refused(tmp_path: Path) -> None:
    """With the names that there are."""
    with pytest.raises(ConfigError, match="must be one of nab, smd, skab, adbench, was 'yahoo'"):
        open_corpus("yahoo", tmp_path)


def test_broken_files_are_named(tmp_path: Path) -> None:
    """A file of another form, one with a word for a number, one with other arrays."""
    _nab(tmp_path)
    (tmp_path / "data/kind/a.csv").write_text("timestamp,level\n")
    (tmp_path / "data/kind/b.csv").write_text("timestamp,value\n2026-03-01,high\n")
    np.savez(tmp_path / "c.npz", train=np.zeros(3))
    (tmp_path / "d.npz").write_text("no archive")
    for kind, name, complaint in [
        ("nab", "kind/a.csv", "must have a column 'value', had timestamp, level"),
        ("nab", "kind/b.csv", "must hold times and numbers"),
        ("adbench", "c", "must be an .npz file with arrays X, y"),
        ("smd", "d", "must be an .npz file with arrays test, test_label"),
    ]:
        with pytest.raises(ConfigError, match=complaint):
            open_corpus(kind, tmp_path).read(name)
