"""Logs: one stream of structured lines on standard error, for this program and the libraries under it.

Events are constant words in snake_case with facts beside them: ``log.info("checkpoint_written", bytes=1024)``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Final, Literal, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from pynomaly.infrastructure.telemetry.redaction import redact_event

LogLevel = Literal["debug", "info", "warning", "error"]
LogForm = Literal["auto", "console", "json"]

_NUMBER: Final[Mapping[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(
    level: LogLevel = "info",
    form: LogForm = "auto",
    stream: TextIO | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Send every log line of this process, the standard library's ones included, to one stream.

    Call once at start; a second call replaces the first.

    Parameters
    ----------
    level
        The least urgent lines shown.
    form
        `json` for machines, `console` for people, `auto` for people where the stream is a terminal.
    stream
        Standard error by default: standard output belongs to results.
    facts
        Stand on every line, as which process of several has written it.
    """
    always = _facts({} if facts is None else facts)
    where = sys.stderr if stream is None else stream
    for_people = form == "console" or (form == "auto" and where.isatty())
    handler = logging.StreamHandler(where)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(where, for_people)],
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *always],
        )
    )
    logging.basicConfig(level=_NUMBER[level], handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*always, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_NUMBER[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _facts(facts: Mapping[str, str]) -> list[Processor]:
    """Return what is added to every line, whoever wrote it."""

    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.update(facts)
        return event

    return [
        add,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_ids,
    ]


def _rendering(stream: TextIO, for_people: bool) -> list[Processor]:  # noqa: FBT001 - private, read at its one call
    # Tracebacks become text before redaction, so that a secret in an error's message is seen too.
    last: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if for_people
        else structlog.processors.JSONRenderer()
    )
    return [structlog.processors.StackInfoRenderer(), structlog.processors.format_exc_info, redact_event, last]


def _add_trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the current OpenTelemetry span, so that a line leads to its trace."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
