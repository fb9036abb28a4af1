"""A flow without a file: columns, detectors and levels as `pynomaly detect` and the SDK are given them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.record import NoTime, RecordSpec
from pynomaly.application.spec.source import SourceSpec
from pynomaly.domain.error import ConfigError, Problem

#: Detectors where none are named.
DEFAULT_DETECTORS: Final = ("auto",)
_LIBRARIES: Final = ("river", "pyod")
_LISTS: Final = ("fields", "preprocessing")  # options that are lists, even of one
_WORDS: Final = {"true": True, "false": False, "none": None, "null": None}

Entry = str | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table are what.

    Parameters
    ----------
    values
        What detectors see.
    time
        Event time; None: rows have numbers only, and no detector knows the time of day.
    time_format
        How the time is written.
    series
        What makes the series key; none: the table is one series.
    """

    values: tuple[str, ...]
    time: str | None = None
    time_format: str = "iso8601"
    series: tuple[str, ...] = ()

    @property
    def has_clock(self) -> bool:
        """Whether the rows have a time."""
        return self.time is not None


def adhoc_flow(
    source: Mapping[str, object] | SourceSpec,
    columns: Columns | RecordSpec,
    detectors: Sequence[Entry] = (),
    levels: Mapping[str, float] | None = None,
) -> FlowSpec:
    """Return a flow named `detect` over a table.

    Parameters
    ----------
    source
        Section `source` of the flow.
    columns
        Which columns are what; or section `record` itself.
    detectors
        Names, ``NAME:option=value,...`` as `detector_entry` reads it, or entries as a flow file has them; none:
        `DEFAULT_DETECTORS`.
    levels
        Evidence of each alert level; None: the defaults.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    chosen = detectors or DEFAULT_DETECTORS
    entries = [detector_entry(entry) if isinstance(entry, str) else dict(entry) for entry in chosen]
    return parse_flow(
        {
            "flow": "detect",
            "source": source,
            "record": _record(columns) if isinstance(columns, Columns) else columns,
            "detectors": entries,
            "output": {"alerts": {"kind": "terminal"}},
            "limits": {"rejected": "off"},  # what can be judged of a table is; the caller sees the counts
            **({} if levels is None else {"alert": {"levels": dict(levels)}}),
        }
    )


def _record(columns: Columns) -> dict[str, object]:
    time = {"field": columns.time, "format": columns.time_format} if columns.has_clock else NoTime(field="none")
    return {"time": time, "values": list(columns.values), "series": list(columns.series)}


def detector_entry(text: str) -> dict[str, object]:
    """Read ``NAME[:option=value,...]`` as an entry of `detectors`.

    ``river/CLASS`` and ``pyod/CLASS`` name detectors of those libraries; a dot goes into a nested mapping; the names
    of ``fields`` and of the steps of ``preprocessing`` are joined by plus signs.

    Raises
    ------
    ConfigError
        When an option is not ``option=value``.

    Examples
    --------
    >>> detector_entry("ew_zscore:half_life=72,calibration.warm_up=48")
    {'detector': 'ew_zscore', 'half_life': 72, 'calibration': {'warm_up': 48}}
    >>> detector_entry("pyod/IForest:window=500")
    {'pyod': 'IForest', 'window': 500}
    >>> detector_entry("ew_zscore:fields=load+host")
    {'detector': 'ew_zscore', 'fields': ['load', 'host']}
    """
    name, _, options = text.partition(":")
    library, _, class_name = name.partition("/")
    entry: dict[str, object] = {library: class_name} if library in _LIBRARIES and class_name else {"detector": name}
    for option in filter(None, options.split(",")):
        key, equals, value = option.partition("=")
        if not equals:
            raise ConfigError(Problem(text, f"must be NAME:option=value,option=value, was {option!r} for an option"))
        *path, last = key.strip().split(".")
        section = entry
        for step in path:
            inner = section.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ConfigError(Problem(text, f"must give {step} once, was given with and without a dot"))
            section = inner
        section[last] = value.strip().split("+") if last in _LISTS else scalar(value.strip())
    return entry


def scalar(text: str) -> object:
    """Return the number or word that a text means: `true`, `false` and `none` are no text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
