"""`pynomaly replay`: history through the same engine, apart from the live flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile
from pynomaly.presentation.cli.replay_range import FromOption, ToOption

if TYPE_CHECKING:
    from pynomaly.application.detection_result import DetectionResult
    from pynomaly.application.ports import RecordSource
    from pynomaly.application.spec.flow import FlowSpec
    from pynomaly.application.tally import Totals
    from pynomaly.bootstrap import Services
    from pynomaly.domain.error import RejectionError
    from pynomaly.presentation.plot import PlotRecorder

WriteLines = Callable[[Iterable[bytes]], None]


def replay_flow(
    flow: FlowFile,
    begin: FromOption = None,
    end: ToOption = None,
    batch_records: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Most records judged at once; changes no result.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write alerts there, one CloudEvent a line; else they are printed.", show_default=False
        ),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the outcome of every record there, one a line.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the four series with most alerts there (.png, .svg or .pdf). Memory grows with the input.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge everything that the flow's input holds now, from its first record, as the live flow would.

    The flow's own outputs, its state and its consumer group are not touched. Alerts have the ids of the live run.
    With --from only a part of a topic is read, without knowing what came before: that is another run than the live one.
    Each partition ends where `limits.rejected` would stop the live flow; the exit status tells.
    With --json the counts are printed, and with --plot a picture is drawn; alerts then go to --output only.
    """
    from pynomaly.application.kernel_loading import LOADING_KERNELS, load_kernels
    from pynomaly.bootstrap import services_of
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.patience import say_if_long
    from pynomaly.presentation.cli.replay_range import COLD_START, ReplayRange
    from pynomaly.presentation.cli.result import remarks
    from pynomaly.presentation.cli.writing import LineFile, check_apart, input_files

    span = ReplayRange.of(begin, end)
    spec = load_flow(flow, environment())
    results = {"--output": output, "--outcomes": outcomes, "--plot": plot}
    _keep_out_of_the_flow(spec, results)
    recorder = None if plot is None else _recorder(spec, plot)
    services = services_of(spec)
    source = span.source(services)
    check_apart(results, [flow, *input_files(services)])
    if span.begin is not None:
        remarks().print(COLD_START)
    with say_if_long(LOADING_KERNELS):
        load_kernels(services.engine_for, len(services.plan.fields))
    with ExitStack() as files:
        alerts = None if output is None else files.enter_context(LineFile(output)).write
        lines = None if outcomes is None else files.enter_context(LineFile(outcomes)).write
        started_s = perf_counter()
        print_alerts = _forget if as_json or recorder is not None else _print
        totals, stopped = _replay(services, source, alerts or print_alerts, lines, recorder, batch_records)
        seconds = perf_counter() - started_s
    if recorder is not None and plot is not None:
        _draw(spec, recorder, plot)
    _print_counts(services, totals, seconds, as_json=as_json, quietly=output is None)
    if stopped is not None:
        raise stopped


def _keep_out_of_the_flow(spec: FlowSpec, files: dict[str, Path | None]) -> None:
    """Refuse to overwrite what the live flow has written, and to write what it would read."""
    from pynomaly.application.spec.file_path import may_match
    from pynomaly.application.spec.sink import FileSink
    from pynomaly.application.spec.source import FileSource
    from pynomaly.domain.error import ConfigError, Problem

    output = spec.output
    sinks = (output.alerts, output.dead_letters, output.late, output.outcomes)
    taken = {Path(sink.path).resolve() for sink in sinks if isinstance(sink, FileSink)}
    for option, path in files.items():
        if path is None:
            continue
        if path.resolve() in taken:
            raise ConfigError(Problem(option, f"must be a file that the flow does not write itself, was {str(path)!r}"))
        if isinstance(spec.source, FileSource) and may_match(str(path), spec.source.path):
            rule = f"must be another file than what is read, was {str(path)!r}, which {spec.source.path} matches"
            raise ConfigError(Problem(option, rule))


def _replay(
    services: Services,
    source: RecordSource,
    write_alerts: WriteLines,
    write_outcomes: WriteLines | None,
    recorder: PlotRecorder | None,
    batch_records: int | None,
) -> tuple[Totals, RejectionError | None]:
    """Replay as far as a live flow would come, and say why if that is not the end."""
    from pynomaly.application.observe import processed
    from pynomaly.application.replay import replay
    from pynomaly.application.tally import Tally
    from pynomaly.domain.error import RejectionError
    from pynomaly_connectors.codecs.cloudevents import structured
    from pynomaly_connectors.codecs.outcome_lines import outcome_lines

    tally = Tally()
    encode_alerts = next(output.encode for output in services.outputs(None) if output.name == "alerts")
    encode_outcomes = outcome_lines(services.plan, "all")

    def take(result: DetectionResult) -> None:
        tally.batch_processed(processed(result, 0.0))
        write_alerts([structured(message) for message in encode_alerts(result)])
        if write_outcomes is not None:
            write_outcomes([message.value for message in encode_outcomes(result)])
        if recorder is not None:
            recorder.take(result)

    try:
        replay(source, services.engine_for, take, most_records=batch_records)
    except RejectionError as stopped:
        return tally.totals(), stopped
    return tally.totals(), None


def _recorder(spec: FlowSpec, path: Path) -> PlotRecorder:
    from pynomaly.presentation.plot import PlotRecorder, check_plot

    check_plot(path)
    return PlotRecorder.of(spec)


def _draw(spec: FlowSpec, recorder: PlotRecorder, path: Path) -> None:
    from pynomaly.application.spec.source import DatasetSource
    from pynomaly.presentation.plot import draw
    from pynomaly_connectors.datasets import labels

    known = labels(spec.source.name) if isinstance(spec.source, DatasetSource) else ()
    draw(recorder, spec.levels, title=spec.flow, path=path, labels=known)


def _print(lines: Iterable[bytes]) -> None:
    from pynomaly.presentation.cli.result import standard_output

    with standard_output() as output:
        output.buffer.writelines(line + b"\n" for line in lines)


def _forget(_lines: Iterable[bytes]) -> None:
    """Leave the alerts out: standard output belongs to the counts."""


def _print_counts(services: Services, totals: Totals, seconds: float, *, as_json: bool, quietly: bool) -> None:
    from pynomaly.presentation.cli.counts import counts_as_json, counts_lines
    from pynomaly.presentation.cli.result import print_json, print_rich, remarks

    if as_json:
        print_json(counts_as_json(services.plan.name, services.plan.fingerprint, totals, seconds))
        return
    text = "\n".join(counts_lines(services.plan.name, totals, seconds))
    if quietly:
        remarks().print(text)
    else:
        print_rich(text)
