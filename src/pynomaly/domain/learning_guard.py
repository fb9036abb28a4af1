"""Which records a detector must not learn, so that an outage does not become the new normal.

A record whose part severity reaches the guard's is not learned by that part, for at most `patience` records in a
row. The next one is learned, and so are all after it until a record falls below: a level shift that lasts is adopted.
The rule is MemStream's (Bhatia et al., WWW 2022, section 3.3, threshold beta), bounded so that a real drift cannot
lock the model out. The calibrator always learns: it has to know how often such scores come.
"""

from __future__ import annotations

from dataclasses import dataclass

from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class GuardOptions(Options):
    """Bounds of the learning guard of one part."""

    severity: float = option(3.0, "severity from which a record is not learned", low=0.5, high=100.0)
    patience: int = option(100, "records in a row that are kept from the detector", low=1, high=1_000_000_000)


@compiled
def may_learn(series: Row, guard: int, part_rules: Row, severity: float) -> bool:
    """Tell whether a part may learn this record, and count the run of kept ones."""
    if severity >= part_rules.guard_severity:
        series.unlearned[guard] += 1
        return series.unlearned[guard] > part_rules.guard_patience
    series.unlearned[guard] = 0
    return True
