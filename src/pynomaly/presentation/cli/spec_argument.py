"""What `SPEC` and `--on` mean: flow files or lists of detectors, over records that all of them read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.source import FileSource, SourceSpec
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.evaluation.contender import Contender, Levels, contender_of
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.presentation.cli.environment import environment

_FLOW_FILES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Spec:
    """One `SPEC`.

    Parameters
    ----------
    name
        Unique among those of a command.
    text
        As it was given.
    flow
        What its file says; None: it is a list of detectors.
    """

    name: str
    text: str
    flow: FlowSpec | None

    @property
    def entries(self) -> tuple[str, ...]:
        """Entries of a list of detectors."""
        return tuple(self.text.split())

    def contender(self, levels: Levels | None) -> Contender:
        """Return what judges series of a corpus; levels are those of a list of detectors."""
        if self.flow is not None:
            return Contender.of_flow(self.flow, self.name)
        found = contender_of(self.text, levels)
        return Contender(self.name, found.detectors, levels)


@dataclass(frozen=True, slots=True)
class Reading:
    """How records are read where a spec does not say so.

    Parameters
    ----------
    on
        Files; None: the input of the first flow.
    columns
        What is what in them, for lists of detectors; without values they read what the first flow reads.
    levels
        Evidence of the alert levels of lists of detectors; None: the defaults.
    """

    on: str | None
    columns: Columns
    levels: Mapping[str, float] | None

    @property
    def bars(self) -> Levels | None:
        """The levels, as a contender has them."""
        return None if self.levels is None else tuple(self.levels.items())


def specs_of(texts: Sequence[str]) -> list[Spec]:
    """Read the specs of a command; what has the same name as one before gets a number.

    Raises
    ------
    PynomalyError
        When a flow file is wrong, or is not there.
    """
    specs: list[Spec] = []
    for text in texts:
        flow = load_flow(Path(text), environment()) if is_flow_file(text) else None
        name = " ".join(text.split()) if flow is None else flow.flow
        same = sum(other.name == name or other.name.startswith(f"{name} (") for other in specs)
        specs.append(Spec(f"{name} ({same + 1})" if same else name, text, flow))
    return specs


def is_flow_file(text: str) -> bool:
    """Tell a flow file by its suffix: names of detectors have none of these."""
    return Path(text).suffix.lower() in _FLOW_FILES


def flows_of(specs: Sequence[Spec], given: Reading) -> dict[str, FlowSpec]:
    """Return flows that judge the same input, by the names of their specs.

    Raises
    ------
    ConfigError
        When the input cannot be told, or a spec cannot judge it.
    """
    first = next((spec.flow for spec in specs if spec.flow is not None), None)
    needed = {"--on": given.on, "--value": given.columns.values} if first is None else {}
    problems = [Problem(name, "must be given where no SPEC is a flow file") for name, it in needed.items() if not it]
    if problems:
        raise ConfigError(*problems)
    source = first.source if first is not None and given.on is None else files_of(first, given.on or "")
    read = first.record if first is not None and not given.columns.values else given.columns
    return {spec.name: _flow(spec, source, read, given.levels) for spec in specs}


def files_of(flow: FlowSpec | None, path: str) -> FileSource:
    """Return a source of files, read as a flow reads its own if these are files."""
    if flow is not None and isinstance(flow.source, FileSource):
        return flow.source.model_copy(update={"path": path, "follow": False})
    return FileSource(kind="files", path=path)


def reading(flow: FlowSpec, source: SourceSpec) -> FlowSpec:
    """Return a flow that reads another source.

    Raises
    ------
    ConfigError
        When its records cannot be read there: files have no message keys, for one.
    """
    sections = {name: getattr(flow, name) for name in flow.model_fields_set}
    return parse_flow({**sections, "record": flow.record, "source": source})


def leave_out(options: Mapping[str, object]) -> None:
    """Refuse what a corpus brings itself.

    Raises
    ------
    ConfigError
        With every such option that is given.
    """
    problems = [Problem(name, "must be left out with --corpus") for name, given in options.items() if given]
    if problems:
        raise ConfigError(*problems)


def _flow(spec: Spec, source: SourceSpec, read: Columns | RecordSpec, levels: Mapping[str, float] | None) -> FlowSpec:
    if spec.flow is not None:
        return reading(spec.flow, source)
    return adhoc_flow(source, read, spec.entries, levels)
