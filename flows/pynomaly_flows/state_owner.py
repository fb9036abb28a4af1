"""Whose state a folder or a backup may hold: a whole flow's, or that of the stage which copies its input by series."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import StateError
from pynomaly.domain.seal import SealKey, Seals
from pynomaly.infrastructure.state_keys import state_keys
from pynomaly_flows.state_folder import FlowIdentity


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose state it is, and the keys of its seals."""

    identity: FlowIdentity
    keys: tuple[SealKey, ...] = ()


def identities_of(spec: FlowSpec) -> tuple[FlowIdentity, ...]:
    """Return whose state the flow may have saved: its own, and that of `--stage repartition` if it has that stage."""
    whole = FlowIdentity(spec.flow, spec.fingerprint())
    copies = isinstance(spec.source, KafkaSource) and spec.source.by_series is not None
    return (whole, FlowIdentity(spec.flow, spec.routing_fingerprint())) if copies else (whole,)


def owner_of(spec: FlowSpec, said: Path) -> Owner:
    """Return the owner that a file says, of those that the flow may have; the whole flow if it says nobody's name.

    The choice is no check: whoever uses the owner compares it with the file, and verifies its seal.

    Parameters
    ----------
    spec
        The flow.
    said
        `StateFolder.identity`, or the manifest of a backup; need not exist.
    """
    identities, keys = identities_of(spec), state_keys(spec.state)
    found = _said(said, Seals(keys))
    return Owner(found if found in identities else identities[0], keys)


def _said(path: Path, seals: Seals) -> FlowIdentity | None:
    with suppress(OSError, ValueError, KeyError, TypeError, StateError):
        sealed = seals.renewed(path.read_bytes(), path.name, adopt=True)
        content = json.loads(seals.open(sealed, path.name))
        return FlowIdentity(content["flow"], content["fingerprint"])
    return None
