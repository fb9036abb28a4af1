"""`pynomaly dlq redrive`: rejected records produced again."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from pynomaly.presentation.cli.dead_letter_options import FromOption, ReasonOption, ToOption, selection_of
from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile, StateFolderOption, default_state_folder

if TYPE_CHECKING:
    from pynomaly.application.redrive import Fate


def redrive_letters(
    flow: FlowFile,
    reason: ReasonOption = None,
    first: FromOption = None,
    last: ToOption = None,
    to_topic: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help="Produce to this topic of the input's cluster, by key.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Send at most so many records.", show_default=False)
    ] = None,
    most: Annotated[
        int, typer.Option("--most", min=1, metavar="N", help="Times that one record may be produced again.")
    ] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only; send nothing.")] = False,
    state: StateFolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Produce rejected records again, with their key, headers and partition, after flow or producers were mended.

    Each letter is sent once, over all redrives: a ledger in the state folder remembers it, so a redrive that was
    interrupted is simply started again. Records that were not kept whole are left out.
    """
    from pynomaly.application.redrive import Bounds, Rehearsal, Target, redrive
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.infrastructure.redrive_ledger import SqliteRedriveLedger
    from pynomaly.operations import dead_letters_of, redrive_target_of

    spec = load_flow(flow, environment())
    selection = selection_of(spec.flow, reason, first, last)
    folder = default_state_folder(spec.flow) if state is None else state
    ledger = SqliteRedriveLedger(folder / "redrive" / "ledger.sqlite3")
    store, target = dead_letters_of(spec), redrive_target_of(spec, to_topic)
    with closing(target.writer):
        if dry_run:
            rehearsal = Rehearsal(ledger)
            rehearsed = Target(target.name, rehearsal, target.keeps_partition)
            fates = redrive(store.letters(), selection, rehearsed, rehearsal, Bounds(limit, most))
        else:
            fates = redrive(store.letters(), selection, target, ledger, Bounds(limit, most))
    _report(fates, target.name, dry_run=dry_run, as_json=as_json)


def _report(fates: Counter[Fate], topic: str, *, dry_run: bool, as_json: bool) -> None:
    from pynomaly.application.redrive import Fate
    from pynomaly.presentation.cli.result import print_json, print_text

    if as_json:
        print_json({"topic": topic, "dry_run": dry_run, **{fate.value: fates[fate] for fate in Fate}})
        return
    meanings = {
        Fate.SENT: f"{'would be ' if dry_run else ''}sent to topic {topic}",
        Fate.SENT_BEFORE: "sent before",
        Fate.TRUNCATED: "not kept whole: produce them again at their origin",
        Fate.EXHAUSTED: "produced again as often as --most allows",
    }
    print_text("\n".join(f"{fates[fate]:>9,} {meaning}" for fate, meaning in meanings.items()))
