"""The folder in which a flow's durable state lives.

::

    STATE/
      lock                  held by the one process that may use the folder
      recovery/             Bytewax's store: snapshots as our own checksummed bytes, large ones as references
      recovery/flow.json    whose state this is: flow, fingerprint, identity of the store
      side/                 what the references mean
      outputs/              how long each output file was before the first record
      starts/               where the input began at the first start, and which records it has lost since
      prepared              left by the doctor: no store is resumed without it
      claims/               which processes have used the doctor's mark: each once, and all of one cluster
      restoring             left by a restore that was cut off: the folder is not whole

Where the flow has a key, every row of the store and every file but the lock, the claims and the mark of a restore is
sealed (`pynomaly.domain.seal`); the side files are by their checksums, which stand in sealed rows.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from bytewax.recovery import init_db_dir

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.seal import UNSEALED, SealKey, Seals
from pynomaly_connectors.durable_file import replace_durably, sweep_drafts
from pynomaly_connectors.sealed_file import LedgerFolder, read_sealed, renewed_file
from pynomaly_flows.claims import Claims
from pynomaly_flows.disk_room import LEAST_BYTES, check_room
from pynomaly_flows.doctor_process import run_doctor
from pynomaly_flows.folder_lock import hold
from pynomaly_flows.key_group import ONLY_WORKER, Worker
from pynomaly_flows.recovery_doctor import STORE, Examined
from pynomaly_flows.side_file import SideFile
from pynomaly_flows.side_files import SideFiles


@dataclass(frozen=True, slots=True)
class FlowIdentity:
    """Whose state a folder holds."""

    flow: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths of a state folder."""

    root: Path

    @property
    def recovery(self) -> Path:
        """Bytewax's store."""
        return self.root / "recovery"

    @property
    def store(self) -> Path:
        """The database of Bytewax's store."""
        return self.recovery / STORE

    @property
    def side(self) -> Path:
        """Large states."""
        return self.root / "side"

    @property
    def outputs(self) -> Path:
        """Ledger of output files."""
        return self.root / "outputs"

    @property
    def starts(self) -> Path:
        """Ledger of where the input began."""
        return self.root / "starts"

    @property
    def identity(self) -> Path:
        """Whose state this is."""
        return self.recovery / "flow.json"

    @property
    def prepared(self) -> Path:
        """Mark left by the doctor, good for one start."""
        return self.root / "prepared"

    @property
    def restoring(self) -> Path:
        """Mark of a restore that has not come to its end."""
        return self.root / "restoring"

    @property
    def claims(self) -> Path:
        """Who has used the mark."""
        return self.root / "claims"

    def lock(self, *, shared: bool = False) -> IO[str]:
        """Take the folder for this process, until the returned file is closed; shared: with others of a cluster.

        Raises
        ------
        StateError
            When another process holds it; it goes on undisturbed.
        UnavailableError
            When it is no folder that can be written.
        """
        return hold(self.root, shared=shared)

    def source_ledger(self, seals: Seals) -> LedgerFolder:
        """Return what keeps where the input began."""
        return LedgerFolder(self.starts, seals.within(self.starts.name))

    def output_ledger(self, seals: Seals) -> LedgerFolder:
        """Return what keeps how long output files were."""
        return LedgerFolder(self.outputs, seals.within(self.outputs.name))

    def prepare(self, identity: FlowIdentity, keys: tuple[SealKey, ...] = ()) -> Seals:
        """Make the folder ready for one start: create it, or check and doctor what is there. Hold the lock.

        Returns
        -------
        Seals
            With which the state is read and written.

        Raises
        ------
        StateError
            When the state is damaged, incomplete, foreign, of another specification, or its seals do not hold.
        UnavailableError
            When the folder cannot be written.
        """
        try:
            self.prepared.unlink(missing_ok=True)
            Claims(self.claims).forget()
            check_room(self.root, LEAST_BYTES)
            self.check_whole()
            for folder in (self.recovery, self.starts, self.outputs):
                sweep_drafts(folder)
            store_id = self._store_id(identity, keys) if self._holds_state() else self._create(identity, keys)
            seals = _seals(identity, store_id, keys)
            self.renew_files(seals)
            examined = run_doctor(self.recovery, store_id, seals, fresh=not self.outputs.exists())
            self._tidy(examined)
            self.outputs.mkdir(exist_ok=True)
            self.prepared.write_bytes(seals.seal(examined.to_json().encode(), self.prepared.name))
        except OSError as error:
            raise UnavailableError(
                f"state folder {self.root} must be a folder that can be written, was not: {error.strerror}"
            ) from None
        return seals

    def take_prepared(self, worker: Worker = ONLY_WORKER, seals: Seals = UNSEALED) -> Examined:
        """Use up the doctor's mark at a start; return what the doctor has seen.

        Each worker of a cluster uses its own part of the mark, which is good for one start of all of them.

        Raises
        ------
        StateError
            When the doctor has not seen the store since it was last run.
        """
        try:
            examined = Examined.from_json(read_sealed(self.prepared, seals).decode())
            Claims(self.claims).add(worker)
        except (FileNotFoundError, FileExistsError, ValueError):
            raise self._unprepared() from None
        return examined

    def check_prepared(self) -> None:
        """Look whether the doctor has left a mark, used up or not; raises as `take_prepared`."""
        if not self.prepared.exists():
            raise self._unprepared()

    def _unprepared(self) -> StateError:
        return StateError(
            f"state folder {self.root} must be prepared before each start, was not: "
            "run `python -m pynomaly_flows.target prepare FLOW STATE` first"
        )

    def reset(self) -> None:
        """Forget everything but the lock; the next start begins at the configured position.

        Raises
        ------
        UnavailableError
            When something cannot be deleted.
        """
        self.empty()
        self.restoring.unlink(missing_ok=True)

    def empty(self) -> None:
        """Forget everything but the lock and whether a restore was cut off; raises as `reset`."""
        try:
            self.prepared.unlink(missing_ok=True)
            # In this order: a ledger alone tells of a loss.
            for folder in (self.claims, self.outputs, self.starts, self.recovery, self.side):
                if folder.exists():
                    shutil.rmtree(folder)
        except OSError as error:
            raise UnavailableError(
                f"state folder {self.root} must be deletable, was not: {error.filename}: {error.strerror}"
            ) from None

    def adopt(self, identity: FlowIdentity, keys: tuple[SealKey, ...]) -> Examined:
        """Seal what carries no seal, and what is sealed with an earlier key, with the first key. Hold the lock.

        It may be cut off and repeated.

        Raises
        ------
        StateError
            When the state is damaged, or another flow's.
        """
        own = Seals(keys)
        sealed = self.identity.read_bytes() if self.identity.exists() else b""
        renewed = renewed_file(self.identity, sealed, own, adopt=True)
        store_id = self._checked(own.open(renewed, self.identity.name), identity)
        seals = _seals(identity, store_id, keys)
        self.prepared.unlink(missing_ok=True)
        self.renew_files(seals, adopt=True)
        return run_doctor(self.recovery, store_id, seals, adopt=True)

    def examine(self, identity: FlowIdentity, keys: tuple[SealKey, ...]) -> Examined:
        """Verify everything that is there, byte by byte; the store is doctored. No flow may run on it.

        Raises
        ------
        StateError
            Naming what is damaged, missing or another flow's.
        """
        store_id = self._store_id(identity, keys)
        seals = _seals(identity, store_id, keys)
        self.renew_files(seals)
        examined = run_doctor(self.recovery, store_id, seals)
        files = SideFiles(self.side)
        for file in examined.side_files:
            files.verify(file)
        return examined

    def wanted_files(self, identity: FlowIdentity, keys: tuple[SealKey, ...]) -> tuple[SideFile, ...]:
        """Return the side files that the store refers to, there or not; the store is doctored. No flow may run on it.

        Raises
        ------
        StateError
            When the store is damaged, or another flow's.
        """
        store_id = self._store_id(identity, keys)
        return run_doctor(self.recovery, store_id, _seals(identity, store_id, keys)).side_files

    def renew_files(self, seals: Seals, *, adopt: bool = False) -> None:
        """Seal the small files that are sealed with an earlier key, or with ``adopt`` not at all, with the present one.

        Raises
        ------
        SealError
            Naming the file whose seal does not hold.
        """
        ledgers = (self.source_ledger(seals), self.output_ledger(seals))
        files = [(path, ledger.seals) for ledger in ledgers for path in sorted(ledger.path.glob("[!.]*"))]
        for path, own in [*files, (self.identity, Seals(seals.keys))]:
            sealed = path.read_bytes()
            renewed = renewed_file(path, sealed, own, adopt=adopt)
            if renewed != sealed:
                replace_durably(path, renewed)

    def _tidy(self, examined: Examined) -> None:
        """Check that the side files are there, and delete those that nothing refers to."""
        files = SideFiles(self.side)
        lost = files.missing(examined.side_files)
        if lost is not None:
            raise StateError(
                f"side file {files.path(lost)} must be there with {lost.size:,} bytes, as the recovery store says, "
                "was missing or cut: restore the state folder from a backup, or start over with --reset-state"
            )
        files.sweep(examined.side_files)

    def _holds_state(self) -> bool:
        """Whether a flow has run here. The ledger of outputs is made after the store: alone, it tells of a loss."""
        if self.outputs.exists() and not self.recovery.exists():
            raise StateError(
                f"{self.recovery} must be there, for this flow has run before, was missing: "
                "restore the state folder from a backup, or start over with --reset-state"
            )
        return self.recovery.exists()

    @property
    def holds_anything(self) -> bool:
        """Whether there is state, whole or not."""
        return any(path.exists() for path in (self.recovery, self.outputs, self.starts, self.side, self.restoring))

    def check_whole(self) -> None:
        """Look whether a restore was cut off here.

        Raises
        ------
        StateError
            When it was: what is there must not be taken for an empty folder.
        """
        if self.restoring.exists():
            raise StateError(
                f"state folder {self.root} must be whole, was left by a restore that was cut off: repeat "
                "`pynomaly state restore` with --overwrite, or start over with --reset-state"
            )

    def _create(self, identity: FlowIdentity, keys: tuple[SealKey, ...]) -> str:
        """Make a store beside its place and move it there whole: a crash leaves all of it or nothing."""
        draft = self.root / "recovery.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        init_db_dir(draft, 1)
        store_id = uuid.uuid4().hex
        text = json.dumps({**asdict(identity), "store": store_id})
        with (draft / self.identity.name).open("wb") as file:
            file.write(Seals(keys).seal(text.encode(), self.identity.name))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.recovery)
        return store_id

    def check_identity(self, identity: FlowIdentity, keys: tuple[SealKey, ...] = ()) -> Seals:
        """Check whose state this is; return the seals of it.

        Raises
        ------
        StateError
            When it is another flow's, or nobody can tell.
        """
        return _seals(identity, self._store_id(identity, keys), keys)

    def _store_id(self, identity: FlowIdentity, keys: tuple[SealKey, ...]) -> str:
        try:
            content = read_sealed(self.identity, Seals(keys))
        except OSError as error:
            raise self._nobody_s(error) from error
        return self._checked(content, identity)

    def _checked(self, content: bytes, identity: FlowIdentity) -> str:
        """Check whose state this is; return the identity of the store."""
        try:
            saved = json.loads(content)
            store_id = str(saved["store"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._nobody_s(error) from error
        for name, value in asdict(identity).items():
            if saved.get(name) != value:
                raise StateError(
                    f"state folder {self.root}: {name} must be {value!r}, was {saved.get(name)!r}: "
                    "give the flow its own --state folder, or start over with --reset-state"
                )
        return store_id

    def _nobody_s(self, error: Exception) -> StateError:
        return StateError(
            f"{self.identity} must say whose state this is, was missing or unreadable ({error!r}): "
            "restore the state folder from a backup, or start over with --reset-state"
        )


def _seals(identity: FlowIdentity, store_id: str, keys: tuple[SealKey, ...]) -> Seals:
    """Return the seals of a state: of one flow and one store, so that nothing of another stands for it."""
    return Seals(keys, (identity.flow, store_id))
