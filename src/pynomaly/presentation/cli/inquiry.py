"""Which record `pynomaly explain` is asked about, of which flow; and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pynomaly.application.explanation import Explanation, Wanted, explain
from pynomaly.application.kernel_loading import LOADING_KERNELS, load_kernels
from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.record import NoTime
from pynomaly.bootstrap import services_of
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly.presentation.cli.detect_input import file_source
from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.patience import say_if_long
from pynomaly.presentation.cli.writing import check_apart, input_files
from pynomaly.presentation.explanation_picture import draw_explanation
from pynomaly.presentation.plot import check_plot
from pynomaly_connectors.codecs.iso8601 import iso_time_ns

_MOST_DIGITS: Final = 18  # of an offset: a Kafka offset has 63 bits
_DRAWN_AFTER: Final = 150  # records behind the one that is explained


@dataclass(frozen=True, slots=True)
class Table:
    """How a file is read and judged; nothing of it may be said of a flow."""

    columns: Columns
    file_format: str | None = None
    delimiter: str | None = None
    detectors: tuple[str, ...] = ()
    levels: Mapping[str, float] | None = None


def wanted_of(offset: str | None, at: str | None, key: str | None) -> Wanted:
    """Read which record is meant.

    Raises
    ------
    ConfigError
        When it is told in no way or in two, or cannot be read.
    """
    if offset is None and at is None:
        raise ConfigError(Problem("--offset, --at", "must be given one of them, was none"))
    if offset is not None and at is not None:
        raise ConfigError(Problem("--offset, --at", "must be given one of them, was both"))
    if offset is None:
        at_ns = iso_time_ns(str(at).strip())
        if at_ns is None:
            raise ConfigError(Problem("--at", f"must be a time such as 2026-01-31T08:00:00Z, was {at!r}"))
        return Wanted(at_ns=at_ns, key=key)
    if key is not None:
        raise ConfigError(Problem("--key", "must be left out with --offset, which tells the record"))
    partition, _, number = offset.rpartition(":")
    if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
        raise ConfigError(Problem("--offset", f"must be a number from 0, perhaps after PARTITION:, was {offset!r}"))
    return Wanted(offset=int(number), partition=partition or None)


def flow_of(path: Path, table: Table) -> FlowSpec:
    """Read a flow file.

    Raises
    ------
    ConfigError
        When it is wrong, or options tell how to read a table.
    """
    of_table = {
        "--value": table.columns.values,
        "--time": table.columns.time,
        "--series": table.columns.series,
        "--detector": table.detectors,
        "--level": table.levels,
        "--format": table.file_format,
        "--delimiter": table.delimiter,
    }
    problems = [Problem(name, "must be left out with a flow, which has its own") for name, it in of_table.items() if it]
    if problems:
        raise ConfigError(*problems)
    return load_flow(path, environment())


def table_flow(path: Path, table: Table) -> FlowSpec:
    """Return the flow over a file that `pynomaly detect` would run.

    Raises
    ------
    ConfigError
        With everything that is wrong with the options.
    """
    if not table.columns.values:
        raise ConfigError(Problem("--value", "must be given with a file that is no flow (.yaml or .yml)"))
    source = file_source(str(path), table.file_format, table.delimiter)
    if not table.columns.has_clock:
        source["decoder"] = "portable"  # the fast one takes every record to have a time
    return adhoc_flow(source, table.columns, table.detectors, table.levels)


def answer(spec: FlowSpec, wanted: Wanted, picture: Path | None) -> Explanation:
    """Explain a record, and draw it if asked.

    Raises
    ------
    PynomalyError
        When the input cannot be read or holds no such record, or the picture cannot be drawn.
    """
    if wanted.at_ns is not None and isinstance(spec.record.time, NoTime):
        raise ConfigError(Problem("--at", "must be left out where records have no time: give --row"))
    services = services_of(spec)
    if picture is not None:
        check_plot(picture, "--picture")
        check_apart({"--picture": picture}, input_files(services))
    with say_if_long(LOADING_KERNELS):
        load_kernels(services.engine_for, len(services.plan.fields))
    with say_if_long("replaying the input up to the record"):
        found = explain(
            services.source,
            services.engine_for,
            services.plan,
            wanted,
            cache(KernelLibrary.default().entry),
            after=0 if picture is None else _DRAWN_AFTER,
        )
    if picture is not None:
        draw_explanation(found, spec, picture)
    return found
