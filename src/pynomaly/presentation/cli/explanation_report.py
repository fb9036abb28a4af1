"""What `pynomaly explain` prints: the record, the verdict, and the way there."""

from __future__ import annotations

from collections.abc import Iterator
from math import isinf, isnan
from typing import Final

from rich.table import Table
from rich.text import Text

from pynomaly.application.explanation import Details, Explanation, FieldExplanation, Place
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import NoTime
from pynomaly.domain.outcome import EXPLANATIONS, Outcome, Reason
from pynomaly.domain.trace import ChannelTrace, Interval, LevelTrace, PartTrace
from pynomaly.presentation.cli.dead_letters import text_of, value_lines
from pynomaly.presentation.cli.level_style import LEVEL_STYLES
from pynomaly.presentation.cli.result import print_rich, printable
from pynomaly_connectors.codecs.iso8601 import rfc3339

_SHOWN_BYTES: Final = 2_000
_COUNTABLE: Final = 1e6  # records: more than that, nobody reads digit by digit
_RAREST: Final = 100.0


def print_explanation(explanation: Explanation, spec: FlowSpec) -> None:
    """Print it on standard output."""
    verdict = explanation.verdict
    print_rich("\n".join(_head(explanation, spec)))
    style = LEVEL_STYLES.get(verdict.level, "")
    print_rich(Text(f"  outcome    {outcome_text(explanation)}", style))
    print_rich(f"             {EXPLANATIONS[verdict.reason]}")
    details = explanation.details
    if details is None:
        print_rich("\n".join(_unjudged(explanation)))
        return
    print_rich("", _fields_table(details), "", _parts_table(details, spec))
    for number, channel in enumerate(details.trace.channels):
        print_rich("", _channel_title(channel))
        if number in {0, details.trace.judged} or channel.reason not in {None, Reason.BELOW_THRESHOLD}:
            print_rich(_levels_table(channel))
    print_rich("", "\n".join(sentences(explanation)))


def outcome_text(explanation: Explanation) -> str:
    """Return outcome, level and reason, and the evidence beside its bar."""
    verdict = explanation.verdict
    outcome = verdict.reason.outcome
    told = f"{outcome.label} at {verdict.level.label}" if outcome is Outcome.ANOMALOUS else outcome.label
    told = f"{told} ({verdict.reason.label})"
    if isnan(verdict.evidence):
        return told
    return f"{told}: evidence {verdict.evidence:.2f}, bar {verdict.bar:.2f}"


def sentences(explanation: Explanation) -> Iterator[str]:
    """Say in words what made the difference, and what would have."""
    details = explanation.details
    if details is None:
        return
    trace = details.trace
    if trace.fired:
        parts = ", ".join(f"{printable(part.part)} {part.contribution:.2f}" for part in trace.fired)
        yield f"The evidence comes from {parts}."
    for part in trace.parts:
        if part.held_back is not None:
            why = EXPLANATIONS[part.held_back]
            yield f"{printable(part.part)} would have added {part.would_have_added:.2f}: {why}."
        if part.kept_from_learning:
            yield f"{printable(part.part)} was kept from learning this record by its guard."
    nearest = trace.nearest_level
    if nearest is not None:
        yield _what_it_takes(nearest, trace.channels)
    for field in details.fields:
        if field.unchanged is not None:
            yield _what_would_change(field, alerted=trace.level > 0, alone=len(details.fields) == 1)


def _what_it_takes(level: LevelTrace, channels: tuple[ChannelTrace, ...]) -> str:
    channel = next(channel for channel in channels if level in channel.levels)
    alone = "" if channel.part is None else f" of {printable(channel.part)} alone"
    if level.missing <= 0:
        more = level.needed_hits - level.hits
        return f"A {level.level.label} alert{alone} takes {more} more record{'s' * (more > 1)} at its threshold."
    hits = level.hits + (not level.reaches_threshold)  # with more evidence this record would be one
    persists = "" if hits >= level.needed_hits else f", and {level.needed_hits - hits} more records at its threshold"
    return (
        f"A {level.level.label} alert{alone} takes evidence {level.bar:.2f} here: {level.missing:.2f} more{persists}."
    )


def _what_would_change(field: FieldExplanation, *, alerted: bool, alone: bool) -> str:
    name = printable(field.name)
    beside = "" if alone else ", other fields as they are,"
    assert field.unchanged is not None  # noqa: S101 - the caller asks
    low, high = field.unchanged.low, field.unchanged.high
    if isinf(low) and isinf(high):
        whatever = "any value would have alerted here" if alerted else "no value would have alerted here"
        return f"Of {name}{beside} {whatever}."
    ends = [f"below {low:.6g}"] * (not isinf(low)) + [f"above {high:.6g}"] * (not isinf(high))
    verb = "would not have alerted" if alerted else "would have alerted"
    return f"{name}{beside} {verb} {' and '.join(ends)}."


def _head(explanation: Explanation, spec: FlowSpec) -> Iterator[str]:
    place = explanation.place
    yield f"{spec.flow}: {'record' if place.window is None else 'window, closed by the record'} {place_text(place)}"
    if place.series:
        yield f"  series     {printable(place.series)}"
    if place.time_ns is not None and not isinstance(spec.record.time, NoTime):
        yield f"  time       {moment_text(place)}"
    if explanation.details is not None:
        judged = "records" if place.window is None else "windows"
        yield f"  known      {explanation.details.trace.records - 1:,} {judged} of the series before"


def place_text(place: Place) -> str:
    """Return where a record stands."""
    return f"{place.offset} of {printable(str(place.stream))}"


def moment_text(place: Place) -> str:
    """Return its time, or the span of a window."""
    if place.window is None:
        return rfc3339(place.time_ns or 0)
    return f"{rfc3339(place.window.start_ns)} to {rfc3339(place.window.end_ns)}"


def _unjudged(explanation: Explanation) -> Iterator[str]:
    if explanation.verdict.reason.outcome is Outcome.WINDOWED:
        yield "             ask for its window by --at and --key"
    raw = explanation.raw
    if raw is None:
        return
    yield f"  key        {text_of(raw.key, _SHOWN_BYTES)}"
    yield from (f"  header     {printable(name)}: {text_of(value, _SHOWN_BYTES)}" for name, value in raw.headers)
    yield f"  value      {'none' if raw.value is None else f'{len(raw.value):,} bytes'}"
    yield from (f"  {line}" for line in value_lines(raw.value or b""))


def _fields_table(details: Details) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("field")
    for heading in ("value", "expected", "adds", "nearest before", "ago", "lowest", "highest"):
        table.add_column(heading, justify="right")
    for field in details.fields:
        past = field.past
        before = () if past is None else (past.nearest, past.nearest_records_ago, past.lowest, past.highest)
        numbers = (field.value, field.expected)
        table.add_row(
            printable(field.name),
            *map(_number, numbers),
            f"{field.contribution:.2f}",
            *map(_number, before),
        )
    if details.joint_contribution > 0:
        table.add_row("(together)", "", "", f"{details.joint_contribution:.2f}")
    return table


def _parts_table(details: Details, spec: FlowSpec) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("part")
    for heading in ("score", "severity", "rarity", "adds", "expected", "ordinary"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for part, more in zip(details.trace.parts, details.parts, strict=True):
        table.add_row(
            printable(part.part),
            _number(part.score),
            "" if isnan(part.severity) else f"{part.severity:.2f}",
            rarity_text(part),
            f"{part.contribution:.2f}",
            _number(part.expected),
            "" if more.ordinary is None else _interval(more.ordinary),
            _remark(part, more.shares, spec),
        )
    return table


def rarity_text(part: PartTrace) -> str:
    """Return how rare a score is; nothing for what is no probability."""
    if isnan(part.severity) or part.scale == "evidence":
        return ""
    records = 10.0 ** min(part.severity, _RAREST)
    return f"1 in {records:,.0f}" if records < _COUNTABLE else f"1 in {records:.0e}"


def _remark(part: PartTrace, shares: dict[str, float] | None, spec: FlowSpec) -> str:
    if part.held_back is not None:
        return f"held back: {part.held_back.label}"
    if isnan(part.score):
        return "warming"
    if isnan(part.severity):
        return "calibrating"
    if len(part.fields) == 1 or part.contribution == 0.0:
        return ""
    if shares is None:
        return f"{', '.join(printable(spec.fields[column]) for column in part.fields)} together"
    strongest = sorted(shares.items(), key=lambda share: -share[1])[:3]
    return ", ".join(f"{printable(name)} {share:.2f}" for name, share in strongest if share > 0)


def _channel_title(channel: ChannelTrace) -> str:
    what = "all parts together" if channel.part is None else f"{printable(channel.part)} alone"
    if channel.reason is None:
        return f"levels of {what}: not known yet"
    return f"levels of {what}, evidence {channel.evidence:.2f}: {channel.reason.label}"


def _levels_table(channel: ChannelTrace) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("level")
    for heading in ("threshold", "sampling", "habituation", "bump", "bar", "missing", "hits"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for level in channel.levels:
        known = channel.reason is not None
        table.add_row(
            level.level.label,
            *(
                f"{number:.2f}"
                for number in (level.threshold, level.sampling, level.habituation, level.bump, level.bar)
            ),
            f"{max(level.missing, 0.0):.2f}" if known else "",
            f"{level.hits}/{level.needed_hits} of {level.of}",
            "fired" if known and level.fires else _memory(level),
        )
    return table


def _memory(level: LevelTrace) -> str:
    if level.since_alert is None:
        return "no alert before"
    fades = f", bump gone in {level.bump_gone_after:,} more" if level.bump_gone_after else ""
    return f"{level.alerts:.1f} alerts remembered, the last {level.since_alert:,} ago{fades}"


def _interval(interval: Interval) -> str:
    if isinf(interval.low) and isinf(interval.high):
        return "any"
    if isinf(interval.low):
        return f"up to {interval.high:.6g}"
    return f"from {interval.low:.6g}" if isinf(interval.high) else f"{interval.low:.6g} to {interval.high:.6g}"


def _number(number: float | None) -> str:
    return "" if number is None or isnan(number) else f"{number:.6g}"
