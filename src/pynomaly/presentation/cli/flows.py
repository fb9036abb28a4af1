"""`pynomaly flows`: what can be said of a flow file without running it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile

if TYPE_CHECKING:
    from pynomaly.application.spec.explain import Topic
    from pynomaly.application.spec.flow import FlowSpec


def validate_flow(flow: FlowFile, as_json: AsJson = False) -> int:
    """Check a flow file and name every mistake at once; the exit status is 78 if there is one.

    Mistakes go to standard error; with --json they are the result.
    """
    from pynomaly.bootstrap import plan_of
    from pynomaly.domain.error import ConfigError
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.result import print_json, print_text

    try:
        spec = load_flow(flow, environment())
        plan_of(spec)  # asks River and PyOD about their detectors
    except ConfigError as error:
        if not as_json:
            raise
        problems = [{"path": problem.path, "rule": problem.rule} for problem in error.problems]
        print_json({"file": str(flow), "valid": False, "problems": problems})
        return os.EX_CONFIG
    if as_json:
        print_json({"file": str(flow), "valid": True, "flow": spec.flow, "fingerprint": spec.fingerprint()})
    else:
        print_text(f"{flow} is valid: flow {spec.flow}, fingerprint {spec.fingerprint()}")
    return os.EX_OK


def explain_flow(
    flow: FlowFile,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="FILES",
            help="Let the flow judge this file or glob; say what it will need (memory, checkpoints, processor time) "
            "and how often it alerts.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say in plain sentences what a flow reads, looks for, alerts of, writes and remembers.

    With --on also what it would make of a history, by the engine of the live flow: alerts a day are those of its last
    week.
    """
    from pynomaly.application.spec.explain import Explanation, explain
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.result import print_json, print_text

    spec = load_flow(flow, environment())
    explanation, figures = explain(spec), dict[str, object]()
    if on is not None:
        topic, figures = _forecast(spec, on)
        explanation = Explanation((*explanation.topics, topic))
    if as_json:
        print_json({**{topic.title: list(topic.sentences) for topic in explanation.topics}, **figures})
    else:
        print_text(str(explanation))


def _forecast(spec: FlowSpec, on: str) -> tuple[Topic, dict[str, object]]:
    """Return what a history tells, in sentences and in figures."""
    from pynomaly.evaluation.forecast import forecast, forecast_topic
    from pynomaly.presentation.cli.forecast_json import as_document
    from pynomaly.presentation.cli.patience import say_if_long
    from pynomaly.presentation.cli.spec_argument import files_of, reading

    with say_if_long(f"judging {on}"):
        found = forecast(reading(spec, files_of(spec, on)))
    return forecast_topic(found, spec, f"On {on}"), {"forecast": as_document(found, spec)}


def print_schema() -> None:
    """Print the JSON Schema of flow files, for editors and for programs that write flows."""
    from pynomaly.application.spec.schema import flow_schema
    from pynomaly.presentation.cli.result import print_json

    print_json(flow_schema())


def print_asyncapi(flow: FlowFile, as_json: AsJson = False) -> None:
    """Print what a flow reads and writes as an AsyncAPI 3 document: topics, messages and their schemas.

    YAML, or JSON with --json.
    """
    import json

    import yaml

    import pynomaly
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.result import print_json, print_text
    from pynomaly_connectors.asyncapi import asyncapi_document

    document = asyncapi_document(load_flow(flow, environment()), pynomaly.__version__)
    if as_json:
        print_json(document)
        return
    plain = json.loads(json.dumps(document))  # what stands in it twice would become an alias
    print_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120).rstrip())
