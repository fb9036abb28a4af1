"""`pynomaly flows`: what can be said of a flow file without running it."""

from __future__ import annotations

import os

from pynomaly.presentation.cli.environment import environment
from pynomaly.presentation.cli.parameter import AsJson, FlowFile


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


def explain_flow(flow: FlowFile, as_json: AsJson = False) -> None:
    """Say in plain sentences what a flow reads, looks for, alerts of, writes and remembers."""
    from pynomaly.application.spec.explain import explain
    from pynomaly.infrastructure.flow_file import load_flow
    from pynomaly.presentation.cli.result import print_json, print_text

    explanation = explain(load_flow(flow, environment()))
    if as_json:
        print_json({topic.title: list(topic.sentences) for topic in explanation.topics})
    else:
        print_text(str(explanation))


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
