"""How a complaint shows a value, what it never shows, and how it goes with earlier ones."""

from __future__ import annotations

import pytest

from pynomaly.application.spec.complaint import Complaint
from pynomaly.application.spec.parse import parse_flow
from pynomaly.domain.error import ConfigError, Problem
from unit.smallest_flow import lines, minimal, with_


def test_long_values_are_cut() -> None:
    """A message shows the beginning of a long value, not all of it."""
    (line,) = lines(with_(flow="A" * 99))
    assert line == f"flow: must match ^[a-z0-9][a-z0-9-]*$, was '{'A' * 80}...'"


def test_values_of_the_environment_are_not_shown() -> None:
    """What came from a variable is named by its reference."""
    with pytest.raises(ConfigError) as caught:
        parse_flow(with_(limits={"series": "hunter2"}), origins={("limits", "series"): "${SERIES}"})
    assert str(caught.value) == "limits.series: must be a whole number, was the content of ${SERIES}"


def test_earlier_complaints_stand_for_their_place() -> None:
    """A place that is known to be wrong is not complained of again; other places are."""
    with pytest.raises(ConfigError) as caught:
        parse_flow(with_(flow="${X", limits={"series": 0}), complaints=[Complaint(("flow",), "must be set")])
    assert caught.value.problems == (
        Problem("flow", "must be set"),
        Problem("limits.series", "must be at least 1, was 0"),
    )


def test_a_good_flow_with_earlier_complaints_is_refused() -> None:
    """What was wrong before stays wrong."""
    with pytest.raises(ConfigError, match="detectors: must be given once"):
        parse_flow(minimal(), complaints=[Complaint(("detectors",), "must be given once")])


def test_secrets_stay_out_of_representations() -> None:
    """A logged flow does not show client settings."""
    tree = with_(source={**minimal()["source"], "client": {"plugin.library.paths": "hunter2"}})
    assert "hunter2" not in repr(parse_flow(tree))
