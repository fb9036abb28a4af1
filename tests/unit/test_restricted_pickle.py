"""Saved River models come back; nothing else does."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from river import drift

from pynomaly.domain.error import StateError
from pynomaly.infrastructure.adapted.restricted_pickle import dump_models, load_models, page_hinkley_test
from pynomaly.infrastructure.adapted.river_catalogue import RIVER_KINDS, RiverKind, learn, river_class, score

_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("GaussianScorer", {}),
    ("GaussianScorer", {"window_size": 20, "grace_period": 5}),
    ("HalfSpaceTrees", {"n_trees": 2, "height": 3, "window_size": 10, "seed": 1}),
    ("HalfSpaceTrees", {"n_trees": 2, "height": 2, "limits": {"a": [0.0, 2.0]}, "seed": 1}),
    ("LODA", {"n_bins": 5, "n_random_cuts": 3, "seed": 1}),
    ("LocalOutlierFactor", {"n_neighbors": 3}),
    ("OneClassSVM", {"nu": 0.2, "intercept_lr": 0.05, "clip_gradient": 10.0}),
    ("PredictiveAnomalyDetection", {"n_std": 2.0, "warmup_period": 3}),
    ("StandardAbsoluteDeviation", {}),
    ("ADWIN", {"clock": 1}),
    ("KSWIN", {"window_size": 10, "stat_size": 4, "seed": 1}),
    *(("PageHinkley", {"min_instances": 3, "threshold": 4.0, "mode": mode}) for mode in ("up", "down", "both")),
]


class _Calls:
    """Pickles as a call: what an attacker writes."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


def test_options_cover_every_model() -> None:
    """Every model of the catalogue is tried below."""
    assert {name for name, _ in _OPTIONS} == set(RIVER_KINDS)


@pytest.mark.parametrize("records", [0, 1, 30])
@pytest.mark.parametrize(("name", "params"), _OPTIONS, ids=[f"{name}-{len(params)}" for name, params in _OPTIONS])
def test_models_come_back(name: str, params: dict[str, Any], records: int) -> None:
    """A model comes back as it was, from before its first record on, under every documented kind of options."""
    kind, model = RIVER_KINDS[name], river_class(name)(**params)
    fields = ("a",) if kind.takes_one_field else ("a", "b")
    rows = [[float(number % 7), float(number % 3)][: len(fields)] for number in range(records + 20)]
    for number, row in enumerate(rows[:records]):
        _judged(kind, model, number, fields, row)
    (copy,) = load_models(dump_models([model]))
    assert type(copy) is type(model)
    for number, row in enumerate(rows[records:], records):
        expected = _judged(kind, model, number, fields, row)
        assert _judged(kind, copy, number, fields, row) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def _judged(kind: RiverKind, model: Any, number: int, fields: tuple[str, ...], row: list[float]) -> float:
    strangeness = score(kind, [model], number, fields, row)
    learn(kind, [model], fields, row)
    return strangeness


def test_a_test_of_page_hinkley_is_one_of_its_three() -> None:
    """The one call that reads an attribute by its name reads nothing else, and of nothing else."""
    for name in ("__init__", "update", "__class__"):
        with pytest.raises(StateError, match="must hold a test of PageHinkley"):
            page_hinkley_test(drift.PageHinkley(), name)
    with pytest.raises(StateError, match="must hold a test of PageHinkley, was '_test_both' of ADWIN"):
        load_models(pickle.dumps([_Calls(page_hinkley_test, drift.ADWIN(), "_test_both")]))


@pytest.mark.parametrize(
    ("function", "named"),
    [(os.system, "posix.system"), (eval, "builtins.eval"), (subprocess.call, "subprocess.call")],
    ids=["system", "eval", "call"],
)
def test_crafted_payload_runs_no_code(tmp_path: Path, function: Callable[..., Any], named: str) -> None:
    """A pickled call is refused by the name of its function, and what it would have done has not happened."""
    marker = tmp_path / "ran"
    argument: object = {
        "posix.system": f"touch {marker}",
        "builtins.eval": f"__import__('pathlib').Path({str(marker)!r}).touch()",
        "subprocess.call": ["touch", str(marker)],
    }[named]
    payload = pickle.dumps([_Calls(function, argument)])
    with pytest.raises(StateError, match=named):
        load_models(payload)
    assert not marker.exists()
    pickle.loads(payload)  # proof that the payload is live
    assert marker.exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x05criver.stats.mean\nMean.__init__\n.",
        b"\x80\x05\x8c\x10river.stats.mean\x8c\x1dMean.__class__.__subclasses__\x93.",
        b"\x80\x05criver.stats.mean\nVar\n.",
        b"\x80\x05cfunctools\nreduce\n.",
    ],
    ids=["attribute", "dotted", "neighbour", "sibling"],
)
def test_names_must_match_exactly(payload: bytes) -> None:
    """Neither an attribute of an allowed class nor another name of an allowed module gets through."""
    with pytest.raises(StateError, match="must hold only the listed types"):
        load_models(payload)


@pytest.mark.parametrize("payload", [b"", b"\x80\x05", b"garbage", dump_models([1])[:-3], pickle.dumps({"a": 1})])
def test_broken_payloads_are_state_errors(payload: bytes) -> None:
    """Bytes that are no pickled list raise StateError, whatever pickle makes of them."""
    with pytest.raises(StateError):
        load_models(payload)


def test_persistent_references_are_refused() -> None:
    """A pickle cannot refer to objects outside itself."""
    with pytest.raises(StateError):
        load_models(b"\x80\x05\x8c\x01a\x51.")
