"""`pynomaly state show|seal|backup|restore`: the saved state of a flow, beside its runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile, StateFolderOption, default_state_folder

if TYPE_CHECKING:
    from pynomaly.application.spec.flow import FlowSpec
    from pynomaly_flows.state_backup import Backup
    from pynomaly_flows.state_owner import Owner
    from pynomaly_flows.state_summary import StateSummary


def show_state(flow: FlowFile, state: StateFolderOption = None, as_json: AsJson = False) -> None:
    """Say what a flow has saved: its last checkpoint, the positions in its input, sizes and seals.

    Nothing is changed, and the flow may be running.
    """
    from dataclasses import asdict

    from pynomaly.presentation.cli.result import print_json, print_text
    from pynomaly_flows.state_summary import summarise

    root, owner = _state_of(flow, state)
    summaries = summarise(root, owner)
    if as_json:
        print_json({"flow": owner.identity.flow, "state": str(root), "folders": [asdict(one) for one in summaries]})
        return
    print_text("\n".join(line for one in summaries for line in _lines(one)) or f"{root} holds no state")


def seal_state(flow: FlowFile, state: StateFolderOption = None) -> None:
    """Seal state that was saved before the flow had a key, because you trust it; the flow must not run.

    What is sealed with an earlier key is sealed anew, as at every start.
    """
    from pynomaly.domain.error import ConfigError, Problem
    from pynomaly.presentation.cli.result import print_text
    from pynomaly_flows.folder_lock import hold
    from pynomaly_flows.shard_folders import state_folders
    from pynomaly_flows.state_folder import StateFolder

    root, owner = _state_of(flow, state)
    if not owner.keys:
        raise ConfigError(Problem("state.key", "must be given (or `key_file`) to seal the state with"))
    with hold(root):
        StateFolder(root).check_whole()
        for folder in state_folders(root):
            folder.adopt(owner.identity, owner.keys)
            print_text(f"{folder.root} is sealed with key {owner.keys[0].id}")


def back_up_state(
    flow: FlowFile,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="New or empty folder for the backup.", show_default=False)
    ],
    state: StateFolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Copy the state of a flow, which may be running, and verify the copy.

    A flow that goes on from it repeats the alerts it has written since, under the same ids. Output files are no part of
    the state: copy them after it.
    """
    from pynomaly_flows.state_backup import back_up

    root, owner = _state_of(flow, state)
    _tell(back_up(root, target, owner), target, "is a backup", as_json=as_json)


def restore_state(
    flow: FlowFile,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of the backup.", show_default=False)],
    state: StateFolderOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the state that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back, after verifying all of it; the flow must not run.

    The next run goes on from there: it repeats the alerts it has written since the backup, under the same ids.
    """
    from pynomaly_flows.state_backup import MANIFEST, restore
    from pynomaly_flows.state_owner import owner_of

    spec, root = _flow_of(flow, state)
    owner = owner_of(spec, source / MANIFEST)
    _tell(restore(source, root, owner, overwrite=overwrite), root, "holds the backup", as_json=as_json)


def _state_of(flow: Path, state: Path | None) -> tuple[Path, Owner]:
    """Return the folder of a flow, and as whose state it is there: the whole flow's, or its first stage's."""
    from pynomaly_flows.shard_folders import state_folders
    from pynomaly_flows.state_owner import owner_of

    spec, root = _flow_of(flow, state)
    return root, owner_of(spec, state_folders(root)[0].identity)


def _flow_of(flow: Path, state: Path | None) -> tuple[FlowSpec, Path]:
    from pynomaly.infrastructure.flow_file import load_flow

    spec = load_flow(flow, environment())
    return spec, default_state_folder(spec.flow) if state is None else state


def _tell(backup: Backup, folder: Path, what: str, *, as_json: bool) -> None:
    from pynomaly.presentation.cli.result import print_json, print_text

    if as_json:
        facts = {"folder": str(folder), "made": backup.made, "files": len(backup.files), "bytes": backup.size}
        print_json(facts)
    else:
        print_text(f"{folder} {what} of {backup.made}: {len(backup.files)} files, {backup.size:,} bytes, verified")


def _lines(one: StateSummary) -> list[str]:
    use = "not in use" if one.holder is None else f"in use by process {one.holder}"
    seal = "not sealed" if one.key is None else f"sealed with key {one.key}"
    return [
        f"{one.folder}: {use}, {seal}",
        f"  checkpoint  epoch {one.epoch or 'none yet'} of start {one.starts}, written {one.age_s:,.0f} s ago",
        f"  size        {one.store_bytes:,} bytes in the store, {one.side_bytes:,} in {one.side_files} side files",
        *(f"  position    {partition}  {position}" for partition, position in one.positions.items()),
    ]
