"""Log lines: their form, what is routed into them, and what must never be in them."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from pynomaly.infrastructure.telemetry.logs import LogForm, LogLevel, configure_logs
from pynomaly.infrastructure.telemetry.redaction import REDACTED, redact_text

Leak = Callable[[structlog.stdlib.BoundLogger], None]

CANARY = "c4n4ry-Zx81"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Put the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # keeps pytest's own handlers open
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def json_lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Parse every line of a JSON log."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(level: LogLevel = "info", form: LogForm = "json") -> io.StringIO:
    """Configure logs into a buffer."""
    stream = io.StringIO()
    configure_logs(level, form, stream)
    return stream


def test_line_has_event_facts_level_logger_and_time() -> None:
    """A line is one JSON object with an ISO time in UTC."""
    stream = configured()
    structlog.get_logger("pynomaly.run").info("checkpoint_written", bytes=1024)
    (line,) = json_lines(stream)
    time = datetime.fromisoformat(str(line.pop("timestamp")))
    assert time.tzinfo == UTC
    assert line == {"event": "checkpoint_written", "bytes": 1024, "level": "info", "logger": "pynomaly.run"}


def test_library_logs_take_the_same_form() -> None:
    """A line of a standard library logger, with its arguments and extras, is a line like ours."""
    stream = configured()
    logging.getLogger("librdkafka").warning("broker %s is down", "b:9092", extra={"partition": 3})
    (line,) = json_lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("broker b:9092 is down", "warning", "librdkafka")
    assert line["partition"] == 3


def test_warnings_are_log_lines() -> None:
    """A Python warning does not break the stream of JSON."""
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old option", UserWarning, stacklevel=1)
    (line,) = json_lines(stream)
    assert "UserWarning: old option" in str(line["event"])


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level_filters_ours_and_theirs(level: LogLevel, shown: int) -> None:
    """Less urgent lines are left out, whoever wrote them."""
    stream = configured(level)
    ours, theirs = structlog.get_logger("ours"), logging.getLogger("theirs")
    for name in ("debug", "info", "warning", "error"):
        getattr(ours, name)("event")
        getattr(theirs, name)("event")
    assert [line["logger"] for line in json_lines(stream)] == ["ours", "theirs"] * shown


def test_second_call_replaces_the_first() -> None:
    """Configuring again neither doubles lines nor keeps the old stream."""
    first, second = configured(), configured()
    structlog.get_logger().info("started")
    assert (first.getvalue(), len(json_lines(second))) == ("", 1)


def test_auto_form_follows_the_terminal() -> None:
    """People at a terminal get readable lines, everything else gets JSON."""
    terminal, pipe = Terminal(), io.StringIO()
    configure_logs("info", "auto", terminal)
    structlog.get_logger().info("started", flow="checkout")
    configure_logs("info", "auto", pipe)
    structlog.get_logger().info("started", flow="checkout")
    assert "started" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert json_lines(pipe)[0]["flow"] == "checkout"


def test_bound_context_is_on_every_line() -> None:
    """What is bound once for a process is on library lines too."""
    stream = configured()
    structlog.contextvars.bind_contextvars(flow="checkout")
    logging.getLogger("librdkafka").error("oops")
    assert json_lines(stream)[0]["flow"] == "checkout"


def test_lines_inside_a_span_carry_its_ids() -> None:
    """A line leads to its trace."""
    stream = configured()
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("work") as span:
        structlog.get_logger().info("inside")
    structlog.get_logger().info("outside")
    inside, outside = json_lines(stream)
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert "trace_id" not in outside


def test_lines_are_json_whatever_is_logged() -> None:
    """Not-a-number, bytes, sets, objects and cycles stay readable."""
    stream = configured()
    cycle: dict[str, object] = {}
    cycle["self"] = cycle
    structlog.get_logger().info("odd", nan=float("nan"), raw=b"\xff", some={1}, error=ValueError("x"), cycle=cycle)
    (line,) = json_lines(stream)
    assert (line["nan"], line["raw"], line["some"], line["error"]) == ("nan", "b'\\xff'", [1], "x")


def _key(log: structlog.stdlib.BoundLogger) -> None:
    log.info("connected", password=CANARY, api_key=CANARY, **{"sasl.password": CANARY, "ssl.key.pem": CANARY})


def _nested(log: structlog.stdlib.BoundLogger) -> None:
    log.info("connected", client={"sasl.password": CANARY, "more": [{"oauth_token": CANARY}]})


def _whole_structure(log: structlog.stdlib.BoundLogger) -> None:
    log.info("connected", credentials={"user": "u", "value": CANARY})


def _text(log: structlog.stdlib.BoundLogger) -> None:
    log.info(
        "connecting", detail=f"with sasl.password={CANARY};", settings=f'{{"client_secret": "{CANARY} with blanks"}}'
    )


def _header(log: structlog.stdlib.BoundLogger) -> None:
    log.info("asked", header=f"Authorization: Bearer {CANARY}", jaas=f"sasl.jaas.config={CANARY}")


def _url(log: structlog.stdlib.BoundLogger) -> None:
    log.info("connected", url=f"https://user:{CANARY}@registry.example:8081/subjects")


def _object(log: structlog.stdlib.BoundLogger) -> None:
    log.info("failed", error=ValueError(f"bad token: {CANARY}"))


def _fail(text: str) -> None:
    raise ValueError(text)


def _exception(log: structlog.stdlib.BoundLogger) -> None:
    try:
        _fail(f"cannot log in with password={CANARY}")
    except ValueError:
        log.exception("failed")


def _library(_log: structlog.stdlib.BoundLogger) -> None:
    logging.getLogger("librdkafka").error("conf: %s", f"ssl.key.password={CANARY}", extra={"secret": CANARY})


def _library_exception(_log: structlog.stdlib.BoundLogger) -> None:
    try:
        _fail(f"passwd: '{CANARY}'")
    except ValueError:
        logging.getLogger("bytewax").exception("flow failed")


def _private_key(log: structlog.stdlib.BoundLogger) -> None:
    log.info("read", text=f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----")


def _bound(log: structlog.stdlib.BoundLogger) -> None:
    structlog.contextvars.bind_contextvars(session_cookie=CANARY)
    log.info("asked")


LEAKS = (
    _key, _nested, _whole_structure, _text, _header, _url, _object, _exception,
    _library, _library_exception, _private_key, _bound,
)  # fmt: skip


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__.lstrip("_"))
def test_planted_secret_does_not_reach_the_log(
    leak: Callable[[structlog.stdlib.BoundLogger], None], form: LogForm
) -> None:
    """However a secret comes into a line, it is not in what is written, and the gap is marked."""
    stream = configured("debug", form)
    leak(structlog.get_logger("test"))
    assert CANARY not in stream.getvalue()
    assert REDACTED in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    ["tokenizer ready", "key=host-1", "12 records for series a:b", "see https://example.org/@docs", "passed: 3"],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Redaction does not eat what merely looks near a secret."""
    assert redact_text(text) == text


def test_end_of_a_secret_is_found() -> None:
    """What stands after a secret stays readable."""
    assert redact_text("password=abc, host=h; token: 'x y' end") == (
        f"password={REDACTED}, host=h; token: {REDACTED} end"
    )
