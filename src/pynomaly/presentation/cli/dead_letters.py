"""`pynomaly dlq list` and `pynomaly dlq show`: what a flow rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from pynomaly.presentation.cli.dead_letter_options import FromOption, ReasonOption, ToOption, place_bound, selection_of
from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile

if TYPE_CHECKING:
    from pynomaly.application.dead_letter import DeadLetter, DeadLetterStore
    from pynomaly.application.dead_letter_summary import LetterSummary, ReasonSummary

_SAMPLE_BYTES: Final = 60
_SHOWN_BYTES: Final = 4_096
_BYTES_OF_A_LINE: Final = 16


def list_letters(
    flow: FlowFile,
    reason: ReasonOption = None,
    first: FromOption = None,
    last: ToOption = None,
    as_json: AsJson = False,
) -> None:
    """Count the dead letters of a flow by reason and partition, each reason with its latest letter.

    The whole topic or file is read. After a crash some letters may be there twice, and are counted twice.
    """
    from pynomaly.application.dead_letter_summary import summarise
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.operations import dead_letters_of
    from pynomaly.presentation.cli.result import print_json

    spec = load_flow(flow, environment())
    selection = selection_of(spec.flow, reason, first, last)
    store = dead_letters_of(spec)
    summary = summarise(store.letters(), selection)
    if as_json:
        print_json(_summary_as_json(spec.flow, store, summary))
    else:
        _print_summary(spec.flow, store, summary)


def show_letter(
    flow: FlowFile,
    letter_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Id of the letter.", show_default=False)
    ] = None,
    offset: Annotated[
        str | None,
        typer.Option(
            "--offset",
            metavar="[PARTITION:]OFFSET",
            help="Place of the record in the input; without a partition the first letter of that offset.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: why, from where, key, headers and bytes. With --json bytes are base64."""
    from pynomaly.application.redrive import Selection
    from pynomaly.domain.error import ConfigError, MissingInputError, Problem
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.operations import dead_letters_of
    from pynomaly.presentation.cli.result import print_json

    spec = load_flow(flow, environment())
    if (letter_id is None) == (offset is None):
        raise ConfigError(Problem("--id, --offset", "must be given one of them"))
    place = None if offset is None else place_bound("--offset", offset)
    selection = Selection(spec.flow, first=place, last=place)
    store = dead_letters_of(spec)
    found = (one for one in store.letters() if one is not None and selection.takes(one))
    letter = next((one for one in found if letter_id in (None, one.id)), None)
    if letter is None:
        wanted = f"of id {letter_id}" if offset is None else f"of the record at {offset}"
        raise MissingInputError(f"{store.where} must hold a letter {wanted}, held none: see `pynomaly dlq list`")
    if as_json:
        print_json(_letter_as_json(letter))
    else:
        _print_letter(letter)


def _print_summary(flow: str, store: DeadLetterStore, summary: LetterSummary) -> None:
    from rich.table import Table

    from pynomaly.presentation.cli.result import print_rich

    beside = f"; {summary.others:,} of other flows" if summary.others else ""
    beside += f"; {summary.foreign:,} messages that are no dead letters" if summary.foreign else ""
    print_rich(f"{flow}: {summary.letters:,} dead letters in {store.where}{beside}", soft_wrap=True)
    if not summary.by_reason:
        return
    table = Table("reason", "letters", "partitions", "written", "redriven", "latest", box=None, pad_edge=False)
    for reason, one in summary.by_reason.items():
        sample = f"{one.sample.place} {text_of(one.sample.raw.value, _SAMPLE_BYTES)}"
        table.add_row(reason, f"{one.letters:,}", _partitions(one), _span(one), f"{one.redriven:,}", sample)
    print_rich(table)


def _partitions(one: ReasonSummary) -> str:
    most = one.by_partition.most_common(3)
    told = ", ".join(f"{partition}: {count:,}" for partition, count in most)
    return told if len(one.by_partition) <= len(most) else f"{told}, {len(one.by_partition) - len(most)} more"


def _span(one: ReasonSummary) -> str:
    if one.first_ns is None or one.last_ns is None:
        return "unknown"
    return f"{_moment(one.first_ns)} to {_moment(one.last_ns)}"


def _print_letter(letter: DeadLetter) -> None:
    from pynomaly.presentation.cli.result import print_text, printable

    raw = letter.raw
    missing = f", kept without its whole {' and '.join(letter.truncated)}" if letter.truncated else ""
    size = "no value (a tombstone)" if raw.value is None else f"{letter.value_bytes:,} bytes"
    lines = [
        f"id         {letter.id}",
        f"reason     {letter.reason}: {letter.message}",
        f"record     {letter.place}",
        *(() if letter.origin is None else (f"input      {letter.origin}",)),
        f"written    {'unknown' if letter.written_ns is None else _moment(letter.written_ns)}",
        f"redriven   {letter.redrives} times",
        f"key        {text_of(raw.key, _SHOWN_BYTES)}",
        *(f"header     {printable(name)}: {text_of(value, _SHOWN_BYTES)}" for name, value in raw.headers),
        f"value      {size}{missing}",
        *value_lines(raw.value or b""),
    ]
    print_text("\n".join(lines))


def value_lines(value: bytes) -> list[str]:
    """Show text as text, anything else as bytes side by side with what of them is text."""
    shown = value[:_SHOWN_BYTES]
    text = shown.decode(errors="replace")
    if "\N{REPLACEMENT CHARACTER}" not in text and text.replace("\n", "").replace("\t", "").isprintable():
        lines = [f"  {line}" for line in text.splitlines()]
    else:
        starts = range(0, len(shown), _BYTES_OF_A_LINE)
        lines = [_hexadecimal(start, shown[start : start + _BYTES_OF_A_LINE]) for start in starts]
    return lines if len(shown) == len(value) else [*lines, f"  ... {len(value) - len(shown):,} bytes more: see --json"]


def _hexadecimal(start: int, some: bytes) -> str:
    characters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in some)
    return f"  {start:06x}  {some.hex(' '):<{3 * _BYTES_OF_A_LINE - 1}}  {characters}"


def text_of(content: bytes | None, most: int) -> str:
    """Return bytes as a terminal may show them, at most so many."""
    from pynomaly.presentation.cli.result import printable

    if content is None:
        return "none"
    shown = printable(content[:most].decode(errors="replace"))
    return shown if len(content) <= most else f"{shown}..."


def _moment(time_ns: int) -> str:
    from pynomaly_connectors.codecs.iso8601 import rfc3339

    return rfc3339(time_ns)


def _summary_as_json(flow: str, store: DeadLetterStore, summary: LetterSummary) -> dict[str, object]:
    return {
        "flow": flow,
        "dead_letters": store.where,
        "letters": summary.letters,
        "letters_of_other_flows": summary.others,
        "foreign_messages": summary.foreign,
        "reasons": {reason: _reason_as_json(one) for reason, one in summary.by_reason.items()},
    }


def _reason_as_json(one: ReasonSummary) -> dict[str, object]:
    return {
        "meaning": one.message,
        "letters": one.letters,
        "by_partition": {str(partition): count for partition, count in sorted(one.by_partition.items())},
        "redriven": one.redriven,
        "first_written": None if one.first_ns is None else _moment(one.first_ns),
        "last_written": None if one.last_ns is None else _moment(one.last_ns),
        "sample": _letter_as_json(one.sample),
    }


def _letter_as_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "meaning": letter.message,
        "topic": letter.place.topic,
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "input": None if letter.origin is None else str(letter.origin),
        "written": None if letter.written_ns is None else _moment(letter.written_ns),
        "redriven": letter.redrives,
        "truncated": list(letter.truncated),
        "value_bytes": letter.value_bytes,
        "key": _base64(letter.raw.key),
        "value": _base64(letter.raw.value),
        "headers": [[name, _base64(value)] for name, value in letter.raw.headers],
    }


def _base64(content: bytes | None) -> str | None:
    import base64

    return None if content is None else base64.b64encode(content).decode()
