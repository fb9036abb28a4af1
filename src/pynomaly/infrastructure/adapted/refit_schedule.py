"""When a model is fitted and when it takes over, in records of its group: never by the clock."""

from __future__ import annotations

from dataclasses import dataclass

from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class RefitSchedule(Options):
    """Refits of one group at record counts fixed in advance.

    With ``n`` records learned, fit number 1 is requested at ``n = window``, the next ones every `refit_every`
    records, each on the last `window` records. The fit requested at ``n`` takes over just before record number
    ``n + adopt_after`` is scored.
    """

    window: int = option(1000, "records that a model is fitted on", low=2, high=1_000_000)
    refit_every: int = option(500, "records from one fit to the next", low=1, high=1_000_000_000)
    adopt_after: int = option(250, "records from a fit's last record to the first one it scores", low=1, high=1e9)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adopt_after > self.refit_every:
            rule = f"must be at most refit_every ({self.refit_every}), was {self.adopt_after}"
            raise ConfigError(Problem("adopt_after", rule))

    def requests_at(self, count: int) -> bool:
        """Whether a fit is requested when ``count`` records are learned."""
        return count >= self.window and (count - self.window) % self.refit_every == 0

    def fit_number(self, count: int) -> int:
        """Return the number of the last fit requested by then; 0 before the first."""
        return 0 if count < self.window else 1 + (count - self.window) // self.refit_every

    def next_request(self, count: int) -> int:
        """Return the first count above ``count`` at which a fit is requested."""
        return self.window + self.fit_number(count) * self.refit_every

    def adoption(self, fit_number: int) -> int:
        """Return the number of the first record (from 1) that the model of a fit scores."""
        return self.window + (fit_number - 1) * self.refit_every + self.adopt_after
