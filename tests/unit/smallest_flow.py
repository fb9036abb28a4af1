"""The tree of the smallest flow, with sections replaced, and what is said of it when it is bad."""

from __future__ import annotations

from typing import Any

import pytest

from pynomaly.application.spec.parse import parse_flow
from pynomaly.domain.error import ConfigError

Tree = dict[str, Any]


def minimal() -> Tree:
    """Return the tree of the smallest flow on Kafka."""
    return {
        "flow": "pumps",
        "source": {"kind": "kafka", "bootstrap": "localhost:9092", "topic": "readings"},
        "record": {"time": {"field": "ts"}, "values": ["a", "b"], "series": ["pump"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "kafka", "bootstrap": "localhost:9092", "topic": "alerts"}},
    }


def with_(**sections: object) -> Tree:
    """Return the smallest flow with some sections replaced."""
    return {**minimal(), **sections}


def lines(tree: object) -> list[str]:
    """Return what is said of a bad flow, line by line."""
    with pytest.raises(ConfigError) as caught:
        parse_flow(tree)
    return [str(problem) for problem in caught.value.problems]
