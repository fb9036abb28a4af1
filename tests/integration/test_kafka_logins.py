"""A real Kafka that asks who we are: every way in, and what each refusal says and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from brokers.certificates import Authority
from brokers.record_logs import payload
from brokers.secured_kafka import ALICE_PASSWORD, Section, SecuredKafka
from brokers.token_endpoint import TokenEndpoint
from integration.secured_clients import AT_ONCE_S, read, sink, source
from pynomaly.application.ports import Message
from pynomaly.domain.error import AccessError, ConfigError

pytestmark = pytest.mark.kafka


@pytest.fixture
def tokens() -> Iterator[TokenEndpoint]:
    """An identity provider that knows one client, for whom alice's rights hold."""
    provider = TokenEndpoint("alice", "flow", "tokens-please")
    yield provider
    provider.close()


# Ways in


def scram_512(kafka: SecuredKafka) -> tuple[str, Section]:
    """SCRAM-SHA-512 over TLS."""
    return kafka.scram, kafka.scram_security()


def scram_256(kafka: SecuredKafka) -> tuple[str, Section]:
    """SCRAM-SHA-256 over TLS."""
    sasl = {"mechanism": "SCRAM-SHA-256", "username": "alice", "password": ALICE_PASSWORD}
    return kafka.scram, kafka.scram_security(sasl=sasl)


def plain(kafka: SecuredKafka) -> tuple[str, Section]:
    """PLAIN without TLS, on this machine."""
    sasl = {"mechanism": "PLAIN", "username": "alice", "password": ALICE_PASSWORD}
    return kafka.plain, {"protocol": "SASL_PLAINTEXT", "sasl": sasl}


def certificate(kafka: SecuredKafka) -> tuple[str, Section]:
    """A certificate of ours."""
    return kafka.mutual, kafka.mutual_security(kafka.authority.sign("alice"))


def certificate_as_text(kafka: SecuredKafka) -> tuple[str, Section]:
    """The same, held by the flow itself, with a locked key."""
    mine = kafka.authority.sign("alice", password="open-sesame")  # noqa: S106 - of a key that lives as long as the test
    tls = {
        "ca": kafka.authority.certificate.read_text(),
        "certificate": mine.certificate.read_text(),
        "key": mine.key.read_text(),
        "key_password": "open-sesame",
    }
    return kafka.mutual, {"protocol": "SSL", "tls": tls}


@pytest.mark.usefixtures("each_reader")
@pytest.mark.parametrize("way", [scram_512, scram_256, plain, certificate, certificate_as_text])
def test_each_way_in_reads_and_writes(
    secured_kafka: SecuredKafka, shared: str, way: Callable[[SecuredKafka], tuple[str, Section]]
) -> None:
    """Readers, producer and admin client all prove who they are."""
    bootstrap, security = way(secured_kafka)
    writer = sink(bootstrap, shared, security).open(None)
    writer.write([Message(payload(4))])
    writer.flush()
    writer.close()
    opened = source(bootstrap, shared, security)
    assert opened.partitions() == [f"{shared}:0"]
    reader = opened.open(f"{shared}:0", None, bounded=False)
    assert read(reader, 4)[:4] == [1.0, 2.0, 3.0, 4.0]
    reader.close()


def oauth(secured_kafka: SecuredKafka, tokens: TokenEndpoint, secret: str) -> Section:
    """Return a section that gets its token from the identity provider."""
    provider = {"token_endpoint": tokens.url, "client_id": "flow", "client_secret": secret}
    return secured_kafka.scram_security(sasl={"mechanism": "OAUTHBEARER", "oauth": provider})


@pytest.mark.usefixtures("each_reader")
def test_a_token_of_an_identity_provider_lets_us_in(
    secured_kafka: SecuredKafka, shared: str, tokens: TokenEndpoint
) -> None:
    """Client credentials become a token, and the token a principal."""
    opened = source(secured_kafka.scram, shared, oauth(secured_kafka, tokens, "tokens-please"))
    assert opened.partitions() == [f"{shared}:0"]
    reader = opened.open(f"{shared}:0", None, bounded=False)
    assert read(reader, 3)[:3] == [1.0, 2.0, 3.0]
    reader.close()


# Refusals


def wrong_password(kafka: SecuredKafka) -> tuple[str, Section]:
    """A password that is not alice's."""
    return kafka.scram, kafka.scram_security(password="wrong")  # noqa: S106 - it is


def unknown_user(kafka: SecuredKafka) -> tuple[str, Section]:
    """A user that the brokers do not know."""
    return kafka.scram, kafka.scram_security("nobody")


def mechanism_off(kafka: SecuredKafka) -> tuple[str, Section]:
    """A mechanism that the listener does not offer."""
    sasl = {"mechanism": "PLAIN", "username": "alice", "password": ALICE_PASSWORD}
    return kafka.scram, kafka.scram_security(sasl=sasl)


def wrong_authority(kafka: SecuredKafka) -> tuple[str, Section]:
    """An authority that did not sign the broker's certificate."""
    stranger = Authority(kafka.authority.certificate.parent, "stranger")
    return kafka.scram, kafka.scram_security(tls={"ca_file": str(stranger.certificate)})


def expired_broker(kafka: SecuredKafka) -> tuple[str, Section]:
    """A broker whose certificate has expired."""
    return kafka.stale, kafka.scram_security()


def no_certificate(kafka: SecuredKafka) -> tuple[str, Section]:
    """No certificate where one is asked for."""
    return kafka.mutual, kafka.mutual_security(None)


def expired_certificate(kafka: SecuredKafka) -> tuple[str, Section]:
    """A certificate of ours that has expired."""
    return kafka.mutual, kafka.mutual_security(kafka.authority.sign("alice", expired=True))


def plaintext(kafka: SecuredKafka) -> tuple[str, Section]:
    """No TLS where the listener speaks nothing else."""
    return kafka.scram, {}


def readable_password(kafka: SecuredKafka) -> tuple[str, Section]:
    """A log-in without TLS where the listener speaks nothing else."""
    sasl = {"mechanism": "SCRAM-SHA-512", "username": "alice", "password": ALICE_PASSWORD}
    return kafka.mutual, {"protocol": "SASL_PLAINTEXT", "sasl": sasl}


def tls_for_none(kafka: SecuredKafka) -> tuple[str, Section]:
    """TLS where the listener speaks none."""
    return kafka.plain, kafka.scram_security()


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (wrong_password, r"Authentication failed.*; check user and password of `security\.sasl`"),
        (unknown_user, r"Authentication failed.*; check user and password of `security\.sasl`"),
        (mechanism_off, r"supported mechanisms: .*SCRAM-SHA-512.*; set `security\.sasl\.mechanism` to one"),
        (wrong_authority, r"verify failed \(self-signed certificate in certificate chain\).*`security\.tls\.ca_file`"),
        (expired_broker, r"verify failed \(certificate has expired\); renew the brokers' certificate"),
        (no_certificate, r"alert bad certificate.*; give a certificate that they trust.*`security\.tls\.certificate_f"),
        (expired_certificate, r"alert certificate unknown.*; give a certificate that they trust .* has not expired"),
        (plaintext, r"the listener speaks TLS, and `security\.protocol` is PLAINTEXT; set it to SSL or SASL_SSL"),
        (readable_password, r"speaks TLS, and `security\.protocol` is SASL_PLAINTEXT; set it to SASL_SSL"),
        (tls_for_none, r"PLAINTEXT broker listener.*; the listener speaks no TLS"),
    ],
)
def test_a_client_that_is_refused_is_told_why_at_once(
    secured_kafka: SecuredKafka, way: Callable[[SecuredKafka], tuple[str, Section]], said: str
) -> None:
    """Librdkafka itself would be silent for ever; the text names the key to correct, and no secret."""
    bootstrap, security = way(secured_kafka)
    since = time.monotonic()
    with pytest.raises(AccessError, match=rf"must accept this client, was refused: .*{said}") as refused:
        source(bootstrap, "records", security).partitions()
    assert time.monotonic() - since < AT_ONCE_S
    assert ALICE_PASSWORD not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_writer_that_is_refused_is_told_why_at_once(secured_kafka: SecuredKafka) -> None:
    """Outputs ask the same question as the input."""
    bootstrap, security = wrong_password(secured_kafka)
    with pytest.raises(AccessError, match=r"must accept this client, was refused: .*`security\.sasl`"):
        sink(bootstrap, "records", security).check()


def test_a_token_that_is_not_given_is_told(secured_kafka: SecuredKafka, tokens: TokenEndpoint) -> None:
    """The identity provider refuses us, not the brokers."""
    made = source(secured_kafka.scram, "records", oauth(secured_kafka, tokens, "not-my-secret"))
    with pytest.raises(AccessError, match=r"invalid_client.*; check `security\.sasl\.oauth`") as refused:
        made.partitions()
    assert "not-my-secret" not in str(refused.value)


def test_a_key_that_does_not_open_is_the_operators(secured_kafka: SecuredKafka) -> None:
    """A wrong password of a key is found before anything is sent, and is not shown."""
    bootstrap, security = certificate_as_text(secured_kafka)
    tls = {**security["tls"], "key_password": "close-sesame"}  # type: ignore[dict-item] # a section
    with pytest.raises(ConfigError, match=r"^security\.tls\.key: must be what librdkafka can use") as refused:
        source(bootstrap, "records", {**security, "tls": tls}).partitions()
    assert "sesame" not in str(refused.value)
