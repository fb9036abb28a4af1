"""Detectors that are added later: their options become keys, and their rules complaints."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pynomaly.application.spec.native import native_part
from pynomaly.application.spec.schema import flow_schema
from pynomaly.domain.detectors import NATIVE_DETECTORS, Detector
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.option import Options, option


def test_every_option_of_every_detector_is_a_key() -> None:
    """Adding a detector or an option touches no code of the specification."""
    definitions: Any = flow_schema()["$defs"]
    for name, detector in NATIVE_DETECTORS.items():
        for key in detector.options.__dataclass_fields__:
            bound = detector.options.bound(key)
            documented = definitions[name]["properties"][key]
            assert bound.help.lower() in documented["description"].lower()


def test_an_option_must_not_hide_a_key_of_every_part() -> None:
    """A detector whose option is called like a common key is our bug, found at import."""
    from dataclasses import dataclass, replace

    @dataclass(frozen=True)
    class Clashing(Options):
        """Clashes."""

        direction: float = option(1.0, "which way", low=0.0, high=2.0)

    clashing: Detector = replace(EW_ZSCORE, name="clashing", options=Clashing)
    with pytest.raises(TypeError, match="options of clashing must not be called direction"):
        native_part(clashing)


def test_options_that_disagree_are_reported_at_their_key() -> None:
    """A rule between options, which only the detector knows, is reported like any other."""
    from dataclasses import dataclass, replace

    @dataclass(frozen=True)
    class Pair(Options):
        """Two numbers in order."""

        low: float = option(1.0, "lower", low=0.0, high=9.0)
        high: float = option(2.0, "upper", low=0.0, high=9.0)

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.low > self.high:
                raise ConfigError(Problem("high", f"must be at least low, was {self.high}"))

    section = native_part(replace(EW_ZSCORE, name="pair", options=Pair))
    with pytest.raises(ValidationError) as caught:
        section.model_validate({"detector": "pair", "low": 3})
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("high",), "must be at least low, was 2.0")
