"""Wherever a secret stands, or is put by mistake: nothing that a flow says of itself or of its faults holds it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import ValidationError

from pynomaly.application.spec.explain import explain
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.domain.error import PynomalyError
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.presentation.cli.main import main
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.source import KafkaRecordSource

CANARY: Final = "c4nary-in-the-mine"
SASL: Final = {"mechanism": "PLAIN", "username": "u", "password": CANARY}
LOG_IN: Final = {"protocol": "SASL_SSL", "sasl": SASL}
OAUTH: Final = {"token_endpoint": "https://id.example/token", "client_id": "flow", "client_secret": CANARY}
SOUND: Final[dict[str, Any]] = {
    "password": LOG_IN,
    "password from the environment": {"protocol": "SASL_SSL", "sasl": {**SASL, "password": "${CANARY}"}},
    "token": {"protocol": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER", "oauth": OAUTH}},
    "key": {"protocol": "SSL", "tls": {"certificate_file": "c.pem", "key": CANARY, "key_password": CANARY}},
    "key store": {"protocol": "SSL", "tls": {"keystore_file": "k.p12", "keystore_password": CANARY}},
}
WRONG: Final[dict[str, dict[str, Any]]] = {
    "protocol": {"security": {"protocol": CANARY}},
    "log-in as text": {"security": {"protocol": "SASL_SSL", "sasl": CANARY}},
    "section as text": {"security": CANARY},
    "mechanism": {"security": {"protocol": "SASL_SSL", "sasl": {"mechanism": CANARY, "password": [CANARY]}}},
    "unknown key": {"security": {**LOG_IN, "pasword": CANARY}},
    "two ways at once": {"security": {**LOG_IN, "sasl": {**SASL, "password_file": CANARY}}},
    "no log-in with this protocol": {"security": {"protocol": "SSL", "sasl": SASL}},
    "password under client": {"client": {"sasl.password": CANARY}},
    "protocol under client": {"client": {"security.protocol": CANARY}},
    "client as text": {"client": CANARY},
}
REFUSED: Final[dict[str, dict[str, Any]]] = {
    "a value of the client": {"client": {"socket.keepalive.enable": CANARY}},
    "certificate and key": {"security": {"protocol": "SSL", "tls": {"certificate": CANARY, "key": CANARY}}},
    "authority": {"security": {"protocol": "SSL", "tls": {"ca": CANARY}}},
}


def flow_file(folder: Path, **source: object) -> Path:
    """Write a flow."""
    tree = {
        "flow": "secured",
        "source": {"kind": "kafka", "bootstrap": "127.0.0.1:1", "topic": "t", "timeout_s": 1, **source},
        "record": {"time": {"field": "ts"}, "values": ["v"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "terminal"}},
    }
    path = folder / "flow.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.mark.parametrize("security", SOUND.values(), ids=SOUND.keys())
def test_a_sound_flow_does_not_show_its_secrets(tmp_path: Path, security: dict[str, Any]) -> None:
    """Not in what is printed, dumped, explained or hashed."""
    flow = load_flow(flow_file(tmp_path, security=security), {"CANARY": CANARY})
    other = json.loads(json.dumps(security).replace(CANARY, "another").replace("${CANARY}", "another"))
    texts = [repr(flow), str(flow), str(flow.model_dump()), flow.model_dump_json(), str(explain(flow))]
    assert [text for text in texts if CANARY in text] == []
    assert load_flow(flow_file(tmp_path, security=other), {}).fingerprint() == flow.fingerprint()


@pytest.mark.parametrize("source", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_flow_does_not_show_its_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: dict[str, Any]
) -> None:
    """Not in complaints, nor in the traceback that `--debug` shows of them."""
    path = flow_file(tmp_path, **source)
    assert main(["--debug", "flows", "validate", str(path)]) == 78
    said = capsys.readouterr()
    assert "Traceback" in said.err
    assert "source." in said.err
    assert CANARY not in said.err + said.out
    with pytest.raises(ValidationError) as refused:  # as a program that builds a flow itself sees it
        FlowSpec.model_validate(yaml.safe_load(path.read_text()))
    assert CANARY not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("reader", ["fast", "portable"])
@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED.keys())
def test_what_the_client_refuses_does_not_show_its_secrets(tmp_path: Path, source: dict[str, Any], reader: str) -> None:
    """Librdkafka quotes some values; the flow does not."""
    flow = load_flow(flow_file(tmp_path, reader=reader, **source), {})
    assert flow.source.kind == "kafka"
    made = KafkaRecordSource(flow.source, json_decoder(flow.record, "portable"))
    with pytest.raises(PynomalyError, match="was refused") as refused:
        made.partitions()
    assert CANARY not in "".join(traceback.format_exception(refused.value))
