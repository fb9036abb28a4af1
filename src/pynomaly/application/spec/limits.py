"""How many series a flow keeps, for how long, and how many bad records it bears."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pynomaly.application.spec.duration import Duration
from pynomaly.application.spec.option import or_off
from pynomaly.application.spec.section import Section
from pynomaly.domain.rejection_limit import RejectionLimits


class LimitsSpec(Section):
    """Where memory ends, and where patience does."""

    series: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    """Most series of one input partition; `at_limit` says what happens to further ones."""
    idle_ns: Annotated[Duration | None, Field(alias="idle")] = None
    """A series is forgotten when its partition has gone on for that much event time without it; none: never."""
    at_limit: Literal["evict", "reject"] | None = None
    """`evict` forgets the series whose last record is oldest, `reject` rejects records of new ones as `series_limit`; \
by default `evict`, and in a flow with windows `reject`."""
    rejected: Annotated[RejectionLimits | None, or_off(RejectionLimits)] = RejectionLimits()
    """Rejected records of one input partition that stop the flow; `off`: all go to the dead letters."""
