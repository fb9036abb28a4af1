"""Detectors of other distributions: found by name, told apart by version, and refused with what to do."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from pynomaly.application.plugin import SEAM_VERSION, Plugin
from pynomaly.application.spec.explain import explain
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.plugin_part import BrokenPlugin, plugins
from pynomaly.application.spec.schema import schema_text
from pynomaly.bootstrap import plan_of
from pynomaly.domain.error import StateError
from pynomaly.presentation.cli.main import main
from pynomaly.sdk import Engine
from unit.smallest_flow import lines, with_

_NATIVE = '''
    """A detector of somebody else."""

    from dataclasses import dataclass
    from math import nan

    from pynomaly.detector import Detector, Layout, Options, compiled, option, row, zeros


    @dataclass(frozen=True)
    class HighestOptions(Options):
        """Ratio to the highest value so far.

        Catches records. Fails on all else. Cost O(1), 16 bytes a series.
        """

        warm_up: int = option(5, "records before the first score", low=1, high=1000)


    def _layout(options, _fields):
        return Layout(zeros([("highest", "f8"), ("count", "i8")]), row(warm_up=options.warm_up))


    @compiled
    def score(state, params, x, time_ns):
        return nan if state.count < params.warm_up else max(0.0, x / state.highest)


    @compiled
    def learn(state, params, x, time_ns):
        state.highest = max(state.highest, x)
        state.count += 1


    FOUND = Detector("highest", HighestOptions, _layout, score, learn)
'''
_ADAPTED = '''
    """An adapted detector of somebody else."""

    from dataclasses import dataclass

    import numpy as np

    from pynomaly.detector import AdaptedDetector, ConfigError, Options, Problem, StateImage, option


    @dataclass(frozen=True)
    class SizeOptions(Options):
        """Size of a record in a unit.

        Catches large records.
        """

        unit: float = option(1.0, "what counts as one", low=0.001, high=1e9)


    class Part:
        def __init__(self, options):
            self.unit, self.learned = options.unit, 0

        def process(self, rows):
            self.learned += len(rows)
            return np.abs(rows.values).sum(axis=1) / self.unit, ()

        def forget(self, series):
            pass

        def snapshot(self):
            return StateImage({"mine": 1}, {"learned": np.array([self.learned])})

        def restore(self, image):
            assert image.header == {"mine": 1}
            self.learned = int(image.sections["learned"][0])

        def close(self):
            pass


    def build(options, fields):
        if len(fields) > 2:
            raise ConfigError(Problem("fields", "must be two at most"))
        return lambda context: Part(options)


    FOUND = AdaptedDetector("size", SizeOptions, build)
'''
_ACME = "acme-detectors"
_ALONE = "must be left out: detectors of other libraries learn on their own, out of the guard's reach"
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with one module and one entry point where Python finds it, as pip does."""
    modules = set(sys.modules)

    def installed(
        name: str,
        module: str,
        source: str,
        *,
        distribution: str = "acme-detectors",
        version: str = "1.2",
        seam: int = 1,
    ) -> Path:
        site = tmp_path / f"site-{distribution}-{version}"
        site.mkdir()
        (site / f"{module}.py").write_text(dedent(source))
        facts = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (facts / "entry_points.txt").write_text(f"[pynomaly.detectors.v{seam}]\n{name} = {module}:FOUND\n")
        monkeypatch.syspath_prepend(site)
        return site

    yield installed
    for module in set(sys.modules) - modules:
        if module.startswith("acme_"):
            del sys.modules[module]


def _learned(engine: Engine) -> list[float | None]:
    return [engine.process_one(value=1.0 + row % 7).severity for row in range(40)]


def test_a_flow_names_it_like_any_other(install: Install) -> None:
    """Its options are keys with ranges; it is scored in the kernel, and explained with where it comes from."""
    install("highest", "acme_named", _NATIVE)
    entry = {"detector": "highest", "as": "first", "warm_up": 7, "fields": ["a"]}
    flow = parse_flow(with_(detectors=[entry, "highest"]))
    assert [part.name for part in plan_of(flow).scoring.parts] == ["first", "highest:a", "highest:b"]
    told = str(explain(flow))
    assert "ratio to the highest value so far." in told
    assert "It comes from acme-detectors 1.2." in told


def test_its_options_are_checked(install: Install) -> None:
    """A wrong option of its is told as one of ours is; so is a wrong name, with those of plug-ins among the known."""
    install("highest", "acme_checked", _NATIVE)
    assert lines(with_(detectors=[{"detector": "highest", "warm_up": 0}])) == [
        "detectors[0].warm_up: must be at least 1, was 0"
    ]
    (line,) = lines(with_(detectors=["highesd"]))
    assert line.endswith("highest (did you mean highest?), was 'highesd'")


def test_nothing_is_imported_unless_it_is_named(install: Install) -> None:
    """A flow that names none, and the published schema, know nothing of what is installed."""
    before = schema_text()
    install("highest", "acme_idle", "raise RuntimeError('imported')")
    parse_flow(with_(detectors=["ew_zscore", "auto"]))
    lines(with_(detectors=["nope"]))
    assert schema_text() == before
    assert "acme_idle" not in sys.modules


def test_its_state_goes_on_and_its_version_counts(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has learned is saved and restored; another version of its distribution is another flow."""
    site = install("highest", "acme_saved", _NATIVE)
    whole, first, second = (Engine("value", "highest:calibration.warm_up=10") for _ in range(3))
    expected = [*_learned(whole), *_learned(whole)]
    found = _learned(first)
    second.restore(first.snapshot())
    assert [*found, *_learned(second)] == expected
    assert any(severity is not None for severity in expected)
    saved = second.snapshot()
    print_before = parse_flow(with_(detectors=["highest"])).fingerprint()
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)])
    install("highest", "acme_saved_later", _NATIVE, version="1.3")
    assert parse_flow(with_(detectors=["highest"])).fingerprint() != print_before
    with pytest.raises(StateError, match="fingerprint must be"):
        Engine("value", "highest:calibration.warm_up=10").restore(saved)


def test_an_adapted_one_is_held_to_its_contract(install: Install) -> None:
    """It scores and learns in Python; options, fields and saved state are its own, and its version is checked."""
    install("size", "acme_adapted", _ADAPTED)
    engine, other = (Engine(["a", "b"], "size:unit=2,calibration.warm_up=10") for _ in range(2))
    verdicts = [engine.process_one(a=1.0 + row % 3, b=-1.0) for row in range(200)]
    assert verdicts[-1].severity is not None
    other.restore(engine.snapshot())
    assert other.process_one(a=500.0, b=0.0).severity == engine.process_one(a=500.0, b=0.0).severity
    assert lines(with_(detectors=[{"detector": "size", "guard": {}}])) == [f"detectors[0].guard: {_ALONE}"]
    told = str(explain(parse_flow(with_(detectors=["size"]))))
    assert "size of a record in a unit. Scored in Python: slower than a native detector." in told


def test_an_adapted_one_says_which_fields_do_not_fit(install: Install, tmp_path: Path) -> None:
    """What its `build` refuses is a mistake of the flow, at the place of its entry."""
    install("size", "acme_refusing", _ADAPTED)
    flow = with_(record={"time": {"field": "ts"}, "values": ["a", "b", "c"]}, detectors=["size"])
    (tmp_path / "flow.yaml").write_text(json.dumps(flow))
    assert main(["flows", "validate", str(tmp_path / "flow.yaml")]) == 78


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (("return np.abs", "return -np.abs"), ValueError, "must be finite and at least 0"),
        ((".sum(axis=1)", ""), ValueError, "scores must be 1 of float64"),
        (("self.learned += len(rows)", "raise KeyError('x')"), KeyError, "x"),
    ],
    ids=["negative", "shape", "raises"],
)
def test_an_adapted_one_that_breaks_its_contract_stops(
    install: Install, change: tuple[str, str], error: type[Exception], said: str
) -> None:
    """The error names the part, its distribution and its version."""
    install("size", f"acme_breaking_{error.__name__}_{len(change[0])}", _ADAPTED.replace(*change))
    engine = Engine(["a", "b"], "size")
    with pytest.raises(error, match=said) as caught:
        engine.process_one(a=1.0, b=2.0)
    assert caught.value.__notes__ == ["raised by part size of flow detect, acme-detectors 1.2"]


_WRONG: list[tuple[str, str, str, int, str]] = [
    ("ours", "ew_zscore", _NATIVE, 1, r"must not be called like a detector of pynomaly, was in acme-detectors 1\.2"),
    (
        "raises",
        "highest",
        "import no_such_module_at_all",
        1,
        r"must be importable, was not: acme_raises:FOUND of acme-detectors 1\.2 raised ModuleNotFoundError: .*; ",
    ),
    (
        "no_detector",
        "highest",
        "FOUND = 7",
        1,
        "must lead to a Detector or an AdaptedDetector, was int, in acme_no_det",
    ),
    ("other_name", "lowest", _NATIVE, 1, "must have the name of its entry point .*, was 'highest'"),
    (
        "no_options",
        "highest",
        _NATIVE.replace('Detector("highest", HighestOptions', 'Detector("highest", dict'),
        1,
        "must have a subclass of Options as its options, was <class 'dict'>",
    ),
    (
        "bad_default",
        "highest",
        _NATIVE.replace("option(5,", "option(0,"),
        1,
        "must have options that all have defaults within their bounds, was ConfigError: warm_up: must be between",
    ),
    (
        "plain_function",
        "highest",
        _NATIVE.replace("    @compiled\n    def learn", "    def learn"),
        1,
        "must have a compiled function of a module as `learn`, was function",
    ),
    (
        "no_layout",
        "highest",
        _NATIVE.replace("return Layout(", "return ("),
        1,
        "must have a layout of one structured row of plain numbers each",
    ),
    (
        "taken_word",
        "highest",
        _NATIVE.replace("warm_up", "guard"),
        1,
        "must be one that a flow can state, was not: options of highest must not be called guard: words of every part",
    ),
    (
        "other_seam",
        "highest",
        _NATIVE,
        2,
        f"must be made for detector seam {SEAM_VERSION}, was for seam 2 in acme-detectors 1\\.2: install versions of",
    ),
]


@pytest.mark.parametrize(("case", "name", "source", "seam", "said"), _WRONG, ids=[row[0] for row in _WRONG])
def test_what_is_wrong_is_said(install: Install, case: str, name: str, source: str, seam: int, said: str) -> None:
    """It is told with its distribution and what to do, and a flow that names it is refused; ours cannot be replaced."""
    install(name, f"acme_{case}", source, seam=seam)
    (broken,) = plugins()
    assert isinstance(broken, BrokenPlugin)
    assert re.match(said, broken.problem)
    assert "pip uninstall acme-detectors" in broken.problem or case == "other_seam"
    if case == "ours":
        assert parse_flow(with_(detectors=[name])).detectors[0].plugin is None
    else:
        assert lines(with_(detectors=[name])) == [f"detectors[0]: {broken.problem}"]


def test_two_distributions_with_one_name(install: Install) -> None:
    """Neither is taken."""
    install("highest", "acme_one", _NATIVE)
    install("highest", "acme_two", _NATIVE, distribution="zenith")
    (line,) = lines(with_(detectors=["highest"]))
    assert (
        "must be offered by one distribution, was by acme-detectors 1.2 and zenith 1.2: uninstall all but one" in line
    )


def test_they_are_listed_and_shown(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    """With where they come from; those that cannot be used stand below, and hide no other."""
    install("highest", "acme_listed", _NATIVE)
    install("broken", "acme_broken", "import no_such_module_at_all", distribution="zenith")
    install("size", "acme_sized", _ADAPTED, distribution="third")
    assert main(["detectors", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    origins = {one["name"]: (one["origin"], one["bytes_per_series"]) for one in told["detectors"]}
    assert origins["ew_zscore"] == ("pynomaly", 24)
    assert origins["highest"] == ("acme-detectors==1.2", 16)
    assert origins["size"] == ("third==1.2", None)
    (fault,) = told["broken_plugins"]
    assert fault["name"] == "broken"
    assert "zenith" in fault["problem"]
    assert main(["detectors", "list"]) == 0
    listed = capsys.readouterr().out
    assert "Ratio to the highest value so far. (acme-detectors==1.2)" in listed
    assert "Not usable: broken must be importable" in listed
    assert main(["detectors", "show", "highest"]) == 0
    assert "From acme-detectors==1.2." in capsys.readouterr().out
    assert main(["detectors", "show", "broken"]) == 78
    assert "pip uninstall zenith" in capsys.readouterr().err


def test_one_that_lies_on_the_path_twice_counts_once(install: Install) -> None:
    """Python imports the first; so does the list."""
    install("highest", "acme_twice", _NATIVE, version="1.0")
    install("highest", "acme_twice", _NATIVE, version="1.1")
    (plugin,) = plugins()
    assert isinstance(plugin, Plugin)
    assert plugin.version == "1.1"
