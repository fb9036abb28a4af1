"""The page on detectors says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pynomaly.application.detector_page import detector_page
from pynomaly.domain.detectors import NATIVE_DETECTORS, OptionDescription, describe
from pynomaly.domain.detectors.half_space_trees import HalfSpaceTreesOptions
from pynomaly.domain.detectors.seasonal_slot import SeasonalSlotOptions

_PAGE = Path(__file__).parents[2] / "docs" / "detectors.md"


def test_page_is_current() -> None:
    """docs/detectors.md is what the descriptions give."""
    assert _PAGE.read_text() == detector_page(), (
        "docs/detectors.md must be current: python -m pynomaly.application.detector_page > docs/detectors.md"
    )


def test_every_detector_has_a_section() -> None:
    """Neither a detector without a section nor a section without a detector, each with what it catches and costs."""
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", _PAGE.read_text(), re.MULTILINE | re.DOTALL))
    assert list(sections) == ["auto", *NATIVE_DETECTORS]
    for told in sections.values():
        assert all(word in told for word in ("Catches", "Fails", "Cost", "bytes"))


@pytest.mark.parametrize("name", list(NATIVE_DETECTORS))
def test_overview_states_kind_and_memory(name: str) -> None:
    """The overview gives the kind of score and the bytes a series of the default options."""
    description = describe(NATIVE_DETECTORS[name])
    (line,) = [line for line in _PAGE.read_text().splitlines() if line.startswith(f"| [`{name}`]")]
    assert f"| {description.scale} | {description.bytes_per_series:,} " in line


def test_description_reads_like_text() -> None:
    """A description has a one-line summary, details, and one entry an option."""
    description = describe(NATIVE_DETECTORS["ew_zscore"])
    assert description.summary == (
        "Distance from an exponentially weighted mean in exponentially weighted standard deviations."
    )
    assert description.details.startswith("Catches spikes")
    assert [option.name for option in description.options] == ["half_life", "warm_up"]
    assert description.options[1] == OptionDescription(
        "warm_up", "records of a series before its first score", 20, 2, 1_000_000, ()
    )


def test_description_counts_memory_of_given_options() -> None:
    """Memory follows the options and the number of fields."""
    slots, trees = NATIVE_DETECTORS["seasonal_slot"], NATIVE_DETECTORS["half_space_trees"]
    assert describe(slots, SeasonalSlotOptions(slots=168)).bytes_per_series == 24 * 168 + 16
    assert describe(trees, HalfSpaceTreesOptions(trees=25), 8).bytes_per_series == 6 * 25 * 256 + 24 * 8 + 16
