"""Why a record was judged as it was: the decision taken apart, by the functions that took it."""

from __future__ import annotations

from pynomaly.domain.trace.decision_trace import ChannelTrace, DecisionTrace, LevelTrace, PartTrace
from pynomaly.domain.trace.field_share import field_shares
from pynomaly.domain.trace.moment import Moment, ScoredRows
from pynomaly.domain.trace.ordinary import Interval, ordinary_values, unchanged_values
from pynomaly.domain.trace.retrace import Cached, trace

__all__ = [
    "Cached",
    "ChannelTrace",
    "DecisionTrace",
    "Interval",
    "LevelTrace",
    "Moment",
    "PartTrace",
    "ScoredRows",
    "field_shares",
    "ordinary_values",
    "trace",
    "unchanged_values",
]
