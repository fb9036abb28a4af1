"""Searching options: what varies, what is scored, and which pieces may choose for which."""

from __future__ import annotations

import pickle
from math import isnan

import numpy as np
import pytest

from pynomaly.application.quality.cross_validation import best, expanding, groups_left_out, halves, held_out
from pynomaly.application.quality.fold import time_cuts
from pynomaly.application.quality.nab import PROFILES, tally, total
from pynomaly.application.quality.objective import Objective
from pynomaly.application.quality.range_score import range_tally
from pynomaly.application.quality.segment import Window, runs
from pynomaly.application.quality.trial import LabelledSeries
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.variation import changed, variation
from pynomaly.domain.error import ConfigError
from pynomaly.evaluation.contender import Contender, contender_of, sections_of
from pynomaly.evaluation.search import trials_of
from unit.smallest_flow import with_

_MINUTE_NS = 60_000_000_000


def test_draws_stay_within_the_range() -> None:
    """Whole ends give whole numbers, both ends too; by ratios half of the draws lie below the middle one."""
    random = np.random.default_rng(3)
    whole, ratio = variation("a.b=2..5"), variation("a.b=1.0..10000.0:log")
    assert {whole.draw(random) for _ in range(200)} == {2, 3, 4, 5}
    drawn = [float(str(ratio.draw(random))) for _ in range(1_000)]
    assert 1 <= min(drawn) < max(drawn) <= 10_000
    assert np.mean(np.array(drawn) < 100) == pytest.approx(0.5, abs=0.05)
    assert {variation("a=x|2|none").draw(random) for _ in range(50)} == {"x", 2, None}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("half_life", "must be KEY=LOW..HIGH"),
        ("half_life=3", "must be KEY=LOW..HIGH"),
        ("half_life=1..x", "must be KEY=LOW..HIGH"),
        ("half_life=1..2:cubic", "must be KEY=LOW..HIGH"),
        ("half_life=5..5", "must begin below its end"),
        ("half_life=0..5:log", "must begin above 0"),
    ],
)
def test_what_is_no_range(text: str, complaint: str) -> None:
    """One sentence that says what must hold."""
    with pytest.raises(ConfigError, match=complaint):
        variation(text)


def test_changed_keys_of_a_flow() -> None:
    """Sections that are not there are made, names become mappings, and the flow given stays as it is."""
    tree = {"detectors": ["jump", {"detector": "ew_zscore", "half_life": 9}]}
    made = changed(tree, {"detectors.0.bar": 3, "detectors.1.half_life": 5, "alert.levels.watch": 2.5})
    assert made == {
        "detectors": [{"detector": "jump", "bar": 3}, {"detector": "ew_zscore", "half_life": 5}],
        "alert": {"levels": {"watch": 2.5}},
    }
    assert tree["detectors"][0] == "jump"
    with pytest.raises(ConfigError, match=r"must name an entry from 0 to 1 in 'detectors.2.bar', was '2'"):
        changed(tree, {"detectors.2.bar": 1})
    with pytest.raises(ConfigError, match="goes on behind 9"):
        changed(tree, {"detectors.1.half_life.more": 1})


def test_trials_are_checked_and_repeatable() -> None:
    """The first is the flow as it is; a longer search begins as a shorter one; bounds are those of the options."""

    def check(contender: Contender) -> None:
        contender.spec(("load",), has_clock=True)

    sections = {"detectors": ["ew_zscore"]}
    vary = [variation("detectors.0.half_life=10..1000:log")]
    few, more = (trials_of(sections, vary, count, 5, check) for count in (3, 6))
    assert few[0].values == {}
    assert [trial.values for trial in few] == [trial.values for trial in more[:4]]
    assert len({trial.contender for trial in more}) == 7
    with pytest.raises(ConfigError, match=r"detectors\[0\]\.half_life"):
        trials_of(sections, [variation("detectors.0.half_life=-1..10")], 3, 5, check)
    with pytest.raises(ConfigError, match="half_lief"):
        trials_of(sections, [variation("detectors.0.half_lief=1..10")], 3, 5, check)


def test_options_that_do_not_agree_are_drawn_again() -> None:
    """A watch level above the warning level is no flow: such draws are left out."""

    def check(contender: Contender) -> None:
        contender.spec(("load",), has_clock=True)

    sections = {"detectors": ["ew_zscore", "jump"]}
    vary = [variation("alert.levels.watch=1.0..4.0"), variation("alert.levels.warning=1.0..4.0")]
    for trial in trials_of(sections, vary, 20, 1, check)[1:]:
        assert float(str(trial.values["alert.levels.watch"])) < float(str(trial.values["alert.levels.warning"]))


def test_a_flow_goes_to_other_processes_as_what_decides_of_it() -> None:
    """Written out and read back, it judges as before: the same parts, options, levels and policy."""
    detectors = [
        {"detector": "auto", "horizon": 300},
        {"detector": "ew_zscore", "calibration": {"warm_up": 9}, "guard": {"patience": 7}},
        {"river": "HalfSpaceTrees", "preprocessing": ["StandardScaler"]},
    ]
    flow = parse_flow(with_(detectors=detectors, persistence={"hits": 2, "of": 3}, alert={"bump": 3}))
    contender = pickle.loads(pickle.dumps(Contender.of_flow(flow)))
    again = contender.spec(flow.fields, has_clock=True)
    assert sections_of(again) == sections_of(flow)
    assert again.parts == flow.parts
    assert (again.policy, again.persistence, again.combine) == (flow.policy, flow.persistence, flow.combine)
    assert contender != Contender.of_flow(parse_flow(with_(detectors=["jump"])))
    assert contender_of("jump") == contender_of("jump")


def _alerted(rows: int, *alerts: int) -> np.ndarray:
    return np.isin(np.arange(rows), alerts)


def test_marks_add_up_to_the_scores_of_a_whole() -> None:
    """F1 and NAB of the sums are those of all pieces together."""
    files: list[tuple[np.ndarray, list[Window]]] = [
        (_alerted(400, 60, 210, 390), [(200, 220), (300, 310)]),
        (_alerted(500, 100, 101), [(95, 120)]),
    ]
    tallies = [tally(alerted, windows) for alerted, windows in files]
    nab = sum(Objective.NAB.marks_of_alerts(alerted, windows, int(0.15 * len(alerted))) for alerted, windows in files)
    assert Objective.NAB.score(np.asarray(nab)) == pytest.approx(total(tallies).score(PROFILES["standard"]))
    first, second = (range_tally(windows, runs(alerted)) for alerted, windows in files)
    f1 = sum(Objective.F1.marks_of_alerts(alerted, windows, 0) for alerted, windows in files)
    assert Objective.F1.score(np.asarray(f1)) == pytest.approx((first + second).f1)
    assert Objective.F1.score(np.array([3.0, 0.0, 0.0, 0.0])) == 0.0
    assert all(isnan(one.score(np.zeros(4))) for one in Objective)


def test_a_choice_is_scored_only_where_it_was_not_made() -> None:
    """By hand: two candidates, four pieces, the score is the sum of the first mark; each half chooses for the other."""
    marks = np.array([[[5.0], [0.0], [1.0], [1.0]], [[0.0], [4.0], [9.0], [0.0]]])

    def score(sums: np.ndarray) -> np.ndarray:
        return sums[..., 0]

    in_time = held_out(marks, expanding([0, 1, 2, 3]), score)
    assert in_time.chosen == (0, 0, 1)  # by 5 : 0, 5 : 4 and 6 : 13
    assert in_time.score == 0.0 + 1.0 + 0.0
    assert in_time.unchanged == 0.0 + 1.0 + 1.0
    groups = held_out(marks, groups_left_out(["x", "x", "y", "y"]), score)
    assert groups.chosen == (1, 0)  # for x by y: 2 : 9; for y by x: 5 : 4
    assert groups.score == 4.0 + 2.0
    one, other = halves(5, np.random.default_rng(0))
    assert sorted([*one.chosen_on, *one.scored]) == list(range(5))
    assert (one.chosen_on.tolist(), one.scored.tolist()) == (other.scored.tolist(), other.chosen_on.tolist())


def test_pieces_that_say_nothing_choose_nothing() -> None:
    """Without labels in the first fold there is nothing to choose by: the second is left out."""
    marks = np.array([[[np.nan], [2.0], [3.0]], [[np.nan], [1.0], [7.0]]])
    found = held_out(marks, expanding([0, 1, 2]), lambda sums: np.asarray(sums[..., 0]))
    assert found.chosen == ()
    assert isnan(found.score)
    assert best(np.array([np.nan, np.nan])) is None
    assert best(np.array([np.nan, 1.0, 1.0])) == 1


def _series(name: str, begin: int, rows: int, *windows: Window, clock: bool = True) -> LabelledSeries:
    times = (begin + np.arange(rows)) * _MINUTE_NS if clock else None
    return LabelledSeries(name, "", ("x",), times, np.zeros((rows, 1)), windows)


def test_folds_are_cut_at_the_same_moments() -> None:
    """A series that begins later has nothing in the first fold; no cut goes through a window."""
    early, late = _series("early", 0, 100), _series("late", 100, 100)
    assert time_cuts([early, late], 2) == [(99,), (0,)]  # the lower of the two middle moments
    assert time_cuts([_series("a", 0, 100, (45, 60), (73, 75))], 4) == [(24, 61, 76)]
    assert time_cuts([_series("a", 0, 100, (20, 90))], 4) == [(91, 91, 91)]
    assert time_cuts([_series("a", 0, 100, clock=False), _series("b", 0, 10, clock=False)], 2) == [(50,), (5,)]
