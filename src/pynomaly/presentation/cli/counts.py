"""What became of the records, in numbers: the part that every summary shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pynomaly.application.repartition import BY_SERIES
from pynomaly.application.tally import Totals
from pynomaly.domain.outcome import Level, Outcome, Reason
from pynomaly.domain.series import Eviction


def counts_lines(title: str, totals: Totals, seconds: float) -> list[str]:
    """Return a headline, and one line for each outcome that occurred."""
    rate = f" ({totals.records / seconds:,.0f} a second)" if seconds > 0 else ""
    return [
        f"{title}: {totals.records:,} records in {seconds:.1f} s{rate}",
        *_copied_lines(totals),
        *_outcome_lines(totals.by_reason, "records"),
        *_outcome_lines(totals.windows, "windows"),
        *_skipped_lines(totals),
        *_eviction_lines(totals.evicted),
        f"  alerts     {alerts_text(totals.alerts)}",
    ]


def counts_as_json(flow: str, fingerprint: str, totals: Totals, seconds: float) -> dict[str, object]:
    """Return the same for machines."""
    return {
        "flow": flow,
        "fingerprint": fingerprint,
        "records": totals.records,
        "seconds": round(seconds, 3),
        "outcomes": {outcome.label: count for outcome, count in _by_outcome(totals.by_reason).items()},
        "reasons": {reason.label: count for reason, count in totals.by_reason.items()},
        "windows": {reason.label: count for reason, count in totals.windows.items()},
        "evicted": {cause.label: count for cause, count in totals.evicted.items()},
        "alerts": {level.label: count for level, count in totals.alerts.items()},
        "skipped": totals.skipped,
    }


def alerts_text(alerts: Mapping[Level, int]) -> str:
    """Return how many alerts there were, by level."""
    by_level = ", ".join(f"{count:,} {level.label}" for level, count in alerts.items())
    return f"{sum(alerts.values()):,} ({by_level})" if by_level else "none"


def _copied_lines(totals: Totals) -> list[str]:
    copied = totals.delivered.get(BY_SERIES, 0)
    return [f"  {'copied':<10} {copied:>11,} records of the input, by series"] if copied else []


def _skipped_lines(totals: Totals) -> list[str]:
    """Return the line that tells of records which the input lost before they were read."""
    if not totals.skipped:
        return []
    streams = ", ".join(f"{stream} {count:,}" for stream, count in totals.skipped.items())
    return [f"  skipped    {sum(totals.skipped.values()):>11,} records, deleted before they were read: {streams}"]


def _eviction_lines(evicted: Mapping[Eviction, int]) -> list[str]:
    if not evicted:
        return []
    causes = ", ".join(f"{cause.label} {count:,}" for cause, count in evicted.items())
    return [f"  {'evicted':<10} {sum(evicted.values()):>11,} series: {causes}"]


def _outcome_lines(by_reason: Mapping[Reason, int], noun: str) -> list[str]:
    lines: list[str] = []
    for outcome, count in _by_outcome(by_reason).items():
        reasons = [f"{reason.label} {number:,}" for reason, number in by_reason.items() if reason.outcome is outcome]
        lines.append(f"  {outcome.label:<10} {count:>11,} {noun}: {', '.join(reasons)}")
    return lines


def _by_outcome(by_reason: Mapping[Reason, int]) -> dict[Outcome, int]:
    counts: Counter[Outcome] = Counter()
    for reason, number in by_reason.items():
        counts[reason.outcome] += number
    return dict(sorted(counts.items()))
