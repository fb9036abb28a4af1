"""The section `security` of a connection: what fits together, what is refused, and that nothing is out of reach."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any, Final

import pytest

from pynomaly.application.spec.bootstrap_hosts import addresses, is_loopback
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.security import KEY_OF_SETTING, SecuritySpec, typed_key
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError
from pynomaly_connectors.kafka.client import connection_settings
from pynomaly_connectors.kafka.credentials import security_settings
from pynomaly_connectors.kafka.native.library import librdkafka

SASL: Final = {"mechanism": "SCRAM-SHA-512", "username": "u", "password": "p"}
PLAINTEXT: Final = "with protocol PLAINTEXT"
READABLE: Final = "must be true: the secret could be read on the way"
OAUTH: Final = {"token_endpoint": "https://id.example/token", "client_id": "flow", "client_secret": "s"}


def complaints(security: object, bootstrap: str = "localhost:9092", **source: object) -> list[str]:
    """Return what is said of a flow with this section, without the path of the source."""
    tree = {
        "flow": "secured",
        "source": {"kind": "kafka", "bootstrap": bootstrap, "topic": "t", "security": security, **source},
        "record": {"time": {"field": "ts"}, "values": ["v"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "terminal"}},
    }
    try:
        parse_flow(tree)
    except ConfigError as error:
        return [str(problem).removeprefix("source.") for problem in error.problems]
    return []


def settings(security: dict[str, Any]) -> dict[str, object]:
    """Return what librdkafka is told."""
    return security_settings(SecuritySpec.model_validate(security))


# What becomes of it


def test_without_a_section_nothing_is_encrypted() -> None:
    """On this machine that is what brokers expect."""
    assert settings({}) == {"security.protocol": "PLAINTEXT"}


def test_a_log_in_over_tls(tmp_path: Path) -> None:
    """Host names are checked unless the flow says otherwise."""
    (tmp_path / "ca.pem").touch()
    given = {"protocol": "SASL_SSL", "tls": {"ca_file": str(tmp_path / "ca.pem")}, "sasl": SASL}
    assert settings(given) == {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "enable.ssl.certificate.verification": True,
        "ssl.endpoint.identification.algorithm": "https",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
    }
    given["tls"] = {"check_host_name": False}
    assert settings(given)["ssl.endpoint.identification.algorithm"] == "none"


def test_tokens_by_client_credentials_and_by_assertion(tmp_path: Path) -> None:
    """The method and the grant follow from what is given."""
    section = {"protocol": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER", "oauth": OAUTH}}
    by_secret = settings(section)
    assert by_secret["sasl.oauthbearer.method"] == "oidc"
    assert by_secret["sasl.oauthbearer.client.secret"] == "s"
    assert "sasl.oauthbearer.grant.type" not in by_secret
    (tmp_path / "key.pem").touch()
    assertion = {"key_file": str(tmp_path / "key.pem"), "audience": "brokers", "valid_s": 60}
    oauth = {"token_endpoint": OAUTH["token_endpoint"], "client_id": "flow", "assertion": assertion}
    signed = settings({"protocol": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER", "oauth": oauth}})
    assert signed["sasl.oauthbearer.grant.type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert signed["sasl.oauthbearer.assertion.claim.aud"] == "brokers"
    assert signed["sasl.oauthbearer.assertion.claim.exp.seconds"] == 60


def test_a_secret_in_a_file_loses_its_line_feed_only(tmp_path: Path) -> None:
    """Blanks may be part of a password."""
    secret = tmp_path / "password"
    secret.write_bytes(b" p w \r\n")
    sasl = {"mechanism": "PLAIN", "username": "u", "password_file": str(secret)}
    assert settings({"protocol": "SASL_SSL", "sasl": sasl})["sasl.password"] == " p w "


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"\n", "it is empty"), (b"\xff", "it is not text"), (b"a" * 100_001, "it has more than")],
)
def test_files_that_hold_no_secret(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """All of them are named at once, with their keys."""
    secret = tmp_path / "password"
    if content is not None:
        secret.write_bytes(content)
    sasl = {"mechanism": "PLAIN", "username": "u", "password_file": str(secret)}
    with pytest.raises(ConfigError) as refused:
        settings({"protocol": "SASL_SSL", "sasl": sasl, "tls": {"ca_file": str(tmp_path / "nowhere.pem")}})
    tls, password = map(str, refused.value.problems)
    assert tls.startswith("security.tls.ca_file: must be a file that can be read, was")
    assert password.startswith("security.sasl.password_file: must be a file that can be read, was")
    assert reason in password


def test_every_security_setting_of_the_client_has_a_key(tmp_path: Path) -> None:
    """Whatever librdkafka of this release lists is within reach, and under `client` leads to that key."""
    libc, listing = ctypes.CDLL(None), tmp_path / "settings"
    libc.fopen.restype, libc.fclose.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    library = librdkafka()
    library.rd_kafka_conf_properties_show.argtypes = [ctypes.c_void_p]
    file = libc.fopen(str(listing).encode(), b"w")
    library.rd_kafka_conf_properties_show(file)
    libc.fclose(file)
    names = {line.split("|")[0].strip() for line in listing.read_text().splitlines() if "|" in line}
    security = {name for name in names if re.match(r"security|ssl|sasl|https|oauth|enable\.(ssl|sasl)", name)}
    assert len(security) > 50
    assert security - KEY_OF_SETTING.keys() == set()
    assert {typed_key(name) for name in names - security} == {None}


# What does not fit together


@pytest.mark.parametrize(
    ("security", "said"),
    [
        ({"protocol": "SASL_SSL"}, ["security.sasl: must be given with protocol SASL_SSL"]),
        (
            {"sasl": SASL, "tls": {}},
            [
                f"security.sasl: must be left out {PLAINTEXT}, which does not log in (SASL_SSL and SASL_PLAINTEXT do)",
                f"security.tls: must be left out {PLAINTEXT}, which does not encrypt (SSL and SASL_SSL do)",
            ],
        ),
        (
            {
                "protocol": "SASL_SSL",
                "sasl": {"mechanism": "PLAIN"},
                "tls": {"key_file": "k", "keystore_password": "x"},
            },
            [
                "security.sasl.username: must be given for PLAIN",
                "security.sasl.password: must be given (or `password_file`) for PLAIN",
                "security.tls.keystore_password: must be left out without `keystore_file`",
                "security.tls.certificate: must be given (or `certificate_file`) with a key",
            ],
        ),
        (
            {"protocol": "SASL_SSL", "sasl": {**SASL, "password_file": "f", "oauth": OAUTH}},
            [
                "security.sasl.password_file: must be left out: `password` is given",
                "security.sasl.oauth: must be left out for SCRAM-SHA-512",
            ],
        ),
        (
            {"protocol": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER", "oauth": {"client_id": "flow"}}},
            [
                "security.sasl.oauth.token_endpoint: must be given to get a token",
                "security.sasl.oauth.client_secret: must be given (or `client_secret_file`) to get a token",
            ],
        ),
        (
            {
                "protocol": "SASL_SSL",
                "sasl": {"mechanism": "OAUTHBEARER", "oauth": {**OAUTH, "token_endpoint": "http://id.example/t"}},
            },
            [f"security.sasl.oauth.token_endpoint: must begin with https, or allow_plaintext {READABLE}"],
        ),
        (
            {"protocol": "SSL", "tls": {"keystore_file": "k", "certificate_file": "c", "key_file": "k"}},
            [
                "security.tls.certificate_file: must be left out with `keystore_file`",
                "security.tls.key_file: must be left out with `keystore_file`",
            ],
        ),
        (
            {"protocol": "SSL", "tls": {"certificate_file": "c"}},
            ["security.tls.key: must be given (or `key_file`) with a certificate"],
        ),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(security: dict[str, Any], said: list[str]) -> None:
    """All of it at once."""
    assert complaints(security) == said


def test_security_under_client_leads_to_its_own_key() -> None:
    """There is one place for it, where it is typed and hidden."""
    given = {"sasl.mechanisms": "PLAIN", "ssl.unheard.of": "x", "ssl_ca": "x", "socket.timeout.ms": 5}
    assert complaints({}, client=given) == [
        "client.sasl.mechanisms: must not be set: use `security.sasl.mechanism`",
        "client.ssl.unheard.of: must not be set: use `security`",
        "client.ssl_ca: must not be set: use `security.tls.ca`",
    ]


# Plaintext


@pytest.mark.parametrize(
    ("bootstrap", "protocol", "safe"),
    [
        ("broker:9092", "PLAINTEXT", "SSL or SASL_SSL"),
        ("localhost:9092,10.0.0.1:9092", "SASL_PLAINTEXT", "SASL_SSL"),
        ("[2001:db8::1]:9092", "PLAINTEXT", "SSL or SASL_SSL"),
        ("localhost.example.com", "PLAINTEXT", "SSL or SASL_SSL"),
    ],
)
def test_plaintext_stays_on_this_machine(bootstrap: str, protocol: str, safe: str) -> None:
    """Unless the flow allows it by name; the start asks again, for flows that no file describes."""
    security: dict[str, Any] = {"protocol": protocol, **({"sasl": SASL} if protocol != "PLAINTEXT" else {})}
    (said,) = complaints(security, bootstrap)
    assert said.startswith(f"security.allow_plaintext: must be true, or `protocol` {safe}: ")
    assert complaints({**security, "allow_plaintext": "true"}, bootstrap) == []
    built = KafkaSource.model_validate({"kind": "kafka", "bootstrap": bootstrap, "topic": "t", "security": security})
    with pytest.raises(ConfigError, match=r"^security\.allow_plaintext: must be true"):
        connection_settings(built)


@pytest.mark.parametrize("bootstrap", ["localhost", "127.0.0.1:1,[::1]:2", "127.8.9.10:1", "kafka.localhost:1"])
def test_this_machine_is_free(bootstrap: str) -> None:
    """What stays here cannot be read on the way."""
    assert complaints({}, bootstrap) == []


def test_outputs_are_asked_as_well() -> None:
    """Each connection stands for itself."""
    tree = {
        "flow": "secured",
        "source": {"kind": "memory", "topic": "t"},
        "record": {"time": {"field": "ts"}, "values": ["v"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "kafka", "bootstrap": "broker:9092", "topic": "alerts"}},
    }
    with pytest.raises(ConfigError, match=r"^output\.alerts\.security\.allow_plaintext: must be true") as refused:
        parse_flow(tree)
    assert len(refused.value.problems) == 1


def test_addresses_of_a_list() -> None:
    """As librdkafka reads it."""
    found = list(addresses("one:1, SSL://two:2,three,,[::1]:4,::1"))
    assert found == [("one", 1), ("two", 2), ("three", 9092), ("::1", 4), ("::1", 9092)]


@pytest.mark.parametrize(
    ("host", "here"),
    [("LOCALHOST.", True), ("::ffff:10.0.0.1", False), ("0.0.0.0", False), ("128.0.0.1", False)],  # noqa: S104 - a name to judge
)
def test_loopback_is_told_by_name(host: str, here: bool) -> None:  # noqa: FBT001 - a case of the test
    """Nothing is looked up."""
    assert is_loopback(host) is here
