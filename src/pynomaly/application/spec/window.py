"""Windows of event time, whose aggregates detectors see instead of single records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from pynomaly.application.spec.duration import Duration, DurationOrZero, duration_key
from pynomaly.application.spec.section import KIND, Section
from pynomaly.domain.windows.plan import MOST_PANES, Aggregate, WindowPlan


class _Window(Section):
    size_ns: Annotated[Duration, Field(alias="size")]
    """Length of a window; windows are aligned to 1970-01-01 UTC."""
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1)] = ("mean",)
    """What detectors see of each value field, under the name `<field>.<aggregate>`; `std` is the population's."""
    lateness_ns: DurationOrZero = duration_key("lateness", "0s")
    """How far behind the newest event time of its stream a record may come; windows close that much later."""
    max_jump_ns: Duration = duration_key("max_jump", "1d")
    """A record that is further ahead of its stream is rejected as `time_jump`, until several in a row agree."""

    @property
    def step_ns(self) -> int:
        """Distance from one window to the next [ns]."""
        return self.size_ns

    @property
    def plan(self) -> WindowPlan:
        """The windows as the domain reckons them."""
        return WindowPlan(self.size_ns, self.step_ns, self.aggregates, self.lateness_ns, self.max_jump_ns)

    @field_validator("aggregates")
    @classmethod
    def _named_once(cls, aggregates: tuple[Aggregate, ...]) -> tuple[Aggregate, ...]:
        if len(set(aggregates)) < len(aggregates):
            raise ValueError("must name every aggregate once")
        return aggregates

    @field_validator("lateness_ns")
    @classmethod
    def _few_sizes(cls, lateness_ns: int, info: ValidationInfo) -> int:
        size_ns = info.data.get("size_ns")
        if size_ns and size_ns + lateness_ns > MOST_PANES * size_ns:
            raise ValueError(f"must be less than {MOST_PANES} times `size`")
        return lateness_ns

    @field_validator("max_jump_ns")
    @classmethod
    def _beyond_lateness(cls, max_jump_ns: int, info: ValidationInfo) -> int:
        if max_jump_ns < info.data.get("lateness_ns", 0):
            raise ValueError("must be at least `lateness`")
        return max_jump_ns


class TumblingWindow(_Window):
    """Windows side by side: every record falls into one."""

    kind: Literal["tumbling"]


class SlidingWindow(_Window):
    """Overlapping windows: every record falls into size / slide of them."""

    kind: Literal["sliding"]
    slide_ns: Annotated[Duration, Field(alias="slide")]
    """Distance from one window to the next; it divides `size`."""

    @property
    def step_ns(self) -> int:
        """Distance from one window to the next [ns]."""
        return self.slide_ns

    @field_validator("slide_ns")
    @classmethod
    def _cuts_size(cls, slide_ns: int, info: ValidationInfo) -> int:
        size_ns = info.data.get("size_ns")
        if size_ns and size_ns % slide_ns:
            raise ValueError("must divide `size` without a rest")
        if size_ns and size_ns + info.data.get("lateness_ns", 0) > MOST_PANES * slide_ns:
            raise ValueError(f"must be at least a {MOST_PANES}th of `size` and `lateness` together")
        return slide_ns


WindowSpec = Annotated[TumblingWindow | SlidingWindow, Field(discriminator="kind"), KIND]
