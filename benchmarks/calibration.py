"""Measure false-alert rates and write the page of them: ``python benchmarks/calibration.py > docs/calibration.md``.

Every figure goes through the engine's own kernel: the plan of a detector, fused, on series that hold no anomaly.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, Final

from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.bootstrap import plan_of
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors import NATIVE_DETECTORS
from pynomaly.domain.plan import ScoringPlan
from pynomaly.testing.false_alert_rate import KINDS, Rate, Sample, evidence_rates, plan_for, severity_rates

_NOMINAL: Final = {3.0: 1e-3, 4.0: 1e-4}
_EVIDENCE: Final = (1.7, 2.3, 4.0, 6.0)
_OTHERS: Final[dict[str, Any]] = {
    "coarse": CalibrationOptions(resolution="coarse"),
    "spot": CalibrationOptions(method="spot", quantile=0.98),
    "dspot": CalibrationOptions(method="dspot", quantile=0.98),
}
_SLOW: Final = 8  # a detector of several scores is slow: it gets so many times fewer series
_TIERS: Final = ("light", "standard", "deep")


def main() -> int:
    """Measure what is asked for and print the page."""
    parser = argparse.ArgumentParser(prog="calibration", description="Measure false-alert rates; print a page.")
    parser.add_argument("--series", type=int, default=24, help="series of each kind")
    parser.add_argument("--records", type=int, default=50_000, help="records of each, of which 10,000 are not counted")
    parser.add_argument("--detector", action="append", help="only this one; may be repeated")
    asked = parser.parse_args()
    print(_HEAD.format(series=asked.series, few=max(asked.series // _SLOW, 2), records=asked.records))
    for line in _page(asked.series, asked.records, asked.detector or list(NATIVE_DETECTORS)):
        print(line, flush=True)
    return 0


def _page(series: int, records: int, detectors: list[str]) -> Iterator[str]:
    yield from _header("detector")
    for name in detectors:
        if NATIVE_DETECTORS[name].scale != "evidence":
            plan = plan_for(name)
            yield from _rows(plan, series // _SLOW if NATIVE_DETECTORS[name].facets else series, records)
    yield "\n## Other calibrators\n\nThe scores of `ew_zscore`.\n"
    yield from _header("calibration")
    for title, options in _OTHERS.items():
        yield from _rows(plan_for("ew_zscore", options), series, records, title)
    yield _EVIDENCE_TEXT
    yield from _columns("`auto`, evidence", KINDS)
    for tier in _TIERS:
        flow = adhoc_flow({"kind": "files", "path": "x"}, Columns(("v",), "t"), [f"auto:tier={tier}"])
        yield from _evidence_rows(tier, plan_of(flow).scoring, max(series // _SLOW, 2), records)


def _rows(plan: ScoringPlan, series: int, records: int, title: str = "") -> Iterator[str]:
    samples = [Sample(kind, max(series, 2), records) for kind in KINDS]
    by_kind = [severity_rates(plan, sample, tuple(_NOMINAL)) for sample in samples]
    for place, part in enumerate(plan.parts):
        for height, (severity, nominal) in enumerate(_NOMINAL.items()):
            cells = [_ratio(rates[place][height], nominal) for rates in by_kind]
            yield f"| {title or part.name} | {severity:g} | {' | '.join(cells)} |"


def _ratio(rate: Rate, nominal: float) -> str:
    """Tell how often more than nominal; in bold where even the interval is beyond a factor of two."""
    ratio, error = rate.share / nominal, rate.error / nominal
    text = f"{ratio:.2f} ± {error:.2f}"
    return f"**{text}**" if ratio - error > 2.0 or ratio + error < 0.5 else text


def _evidence_rows(tier: str, plan: ScoringPlan, series: int, records: int) -> Iterator[str]:
    by_kind = [evidence_rates(plan, Sample(kind, series, records), _EVIDENCE) for kind in KINDS]
    for height, threshold in enumerate(_EVIDENCE):
        cells = [f"{rates[height].share * 1e4:.1f} ± {rates[height].error * 1e4:.1f}" for rates in by_kind]
        yield f"| {tier}, {threshold:g} | {' | '.join(cells)} |"


def _header(first: str) -> Iterator[str]:
    yield from _columns(first, ("severity", *KINDS))


def _columns(first: str, names: tuple[str, ...]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"


_HEAD: Final = """# Calibration

Made by `python benchmarks/calibration.py > docs/calibration.md`; figures are measured, not typed.

A severity is -log10 of how often a score as strange comes up in the series' own past. So one ordinary record in a
thousand should reach severity 3, one in ten thousand severity 4. The tables say how many times more often records do:
1.00 is exact, 2.00 twice as many false alerts as promised, 0.50 half as many. **Bold** is beyond a factor of two, with
the whole 95 % interval (from the differences between series, because records of one series depend on each other).

Each detector has its own options and calibration, one field, or three where it looks at several together, and records
some 5 minutes apart. There are {series} series of each kind with {records:,} records ({few} series for detectors with
several scores and for `auto`); the first 10,000 records of each are learned, but not counted. Kinds: independent
normal, exponential, Student-t (3 degrees), uniform and Poisson (mean 8) values; autoregressive ones of memory 0.5, 0.9
and 0.999 (a walk that returns); a sine by the day with normal noise. None holds an anomaly.

What to expect beyond a factor of two, on which side, and why:

* Below it: a score that is mostly 0 (`running_range`: most records are no record value) or has few values reaches a
  severity no more often than the score comes up. Where scores end at a hard edge (uniform values), the last 1 in
  10,000 lie within the noise of the detector's own scale.
* Below it: scores that crowd below an upper end. `cusum` and `page_hinkley` restart at a limit, which autocorrelation
  takes them to; `bayesian_changepoint` knows no probability below 1e-12, which a third of the records of a series with
  memory 0.9 have; the gaps that `cadence` sees here have a longest one.
* Below it: a detector that looks at many records, or any on slowly moving values, has long episodes of scores, of which
  the calibrator's half-life of 10,000 records holds few: the highest of the last ones are a cautious guide to the next.
* Above it: `shape_profile` and `joint_profile` have a gate: what scores as strange is hardly learned, so that long
  anomalies stay visible. Their severities rank; they are not probabilities, and where a score wanders slowly they may
  as well lie far below.
* Above it: `dspot` on a walk, whose mean of 200 scores follows too late.
* `adaptive_jump` is left out: it has evidence and alert levels of its own, no severities.

## Severities of every native detector
"""
_EVIDENCE_TEXT: Final = """
## Evidence of `auto`

Records in 10,000 whose common evidence reaches a threshold, before the alert policy, which lets few of a row alert.
Tier `deep` is `standard` and `shape`, which alerts by itself and adds nothing here. The parts have coarse calibrations:
see `resolution` in [the flow reference](flow-reference.md).
"""

if __name__ == "__main__":
    sys.exit(main())
