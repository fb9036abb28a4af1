"""A real Apache Kafka that lets nobody in without a proof, and nobody do what no right allows.

====================  ==============  ==========================================================
listener              protocol        who comes in
====================  ==============  ==========================================================
`scram`               SASL_SSL        SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; PLAIN is not on
`mutual`              SSL             clients with a certificate of the authority
`stale`               SASL_SSL        nobody who checks: the broker's certificate has expired
`plain`               SASL_PLAINTEXT  PLAIN
====================  ==============  ==========================================================

A certificate of `alice` and a log-in as `alice` are one principal. `admin` may do everything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from brokers.apache_kafka import PROPERTIES, ApacheKafka
from brokers.certificates import Authority, Identity

Section = dict[str, object]

ADMIN_PASSWORD: Final = "admin-secret"  # noqa: S105 - of a broker that lives as long as the tests
ALICE_PASSWORD: Final = "alice-secret"  # noqa: S105 - the same
REAUTHENTICATE_MS: Final = 3_000  # a log-in by SCRAM-SHA-512 is asked for again this often
_DEADLINE_S: Final = 20.0
_QUIET: Final = logging.getLogger("tests.brokers.secured")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_ITERATIONS: Final = 4096
_LOGIN: Final = "org.apache.kafka.common.security"
_LISTENERS: Final = (
    "listeners=SCRAM://127.0.0.1:{port},MUTUAL://127.0.0.1:{ports[0]},STALE://127.0.0.1:{ports[1]},"
    "PLAIN://127.0.0.1:{ports[2]},CONTROLLER://127.0.0.1:{controller_port}\n"
    "advertised.listeners=SCRAM://127.0.0.1:{port},MUTUAL://127.0.0.1:{ports[0]},STALE://127.0.0.1:{ports[1]},"
    "PLAIN://127.0.0.1:{ports[2]}\n"
)
_SECURITY: Final = f"""
{_LISTENERS}
listener.security.protocol.map=SCRAM:SASL_SSL,MUTUAL:SSL,STALE:SASL_SSL,PLAIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SCRAM
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.plain.sasl.enabled.mechanisms=PLAIN
listener.name.scram.scram-sha-256.sasl.jaas.config={_LOGIN}.scram.ScramLoginModule required;
listener.name.scram.scram-sha-512.sasl.jaas.config={_LOGIN}.scram.ScramLoginModule required \
username="admin" password="{ADMIN_PASSWORD}";
listener.name.stale.scram-sha-512.sasl.jaas.config={_LOGIN}.scram.ScramLoginModule required;
listener.name.scram.oauthbearer.sasl.jaas.config={_LOGIN}.oauthbearer.OAuthBearerLoginModule required \
unsecuredLoginStringClaim_sub="admin";
listener.name.scram.scram-sha-512.connections.max.reauth.ms={REAUTHENTICATE_MS}
listener.name.plain.plain.sasl.jaas.config={_LOGIN}.plain.PlainLoginModule required \
user_alice="{ALICE_PASSWORD}";
ssl.keystore.type=PEM
ssl.keystore.location=BROKER_STORE
ssl.truststore.type=PEM
ssl.truststore.location=AUTHORITY
listener.name.stale.ssl.keystore.location=STALE_STORE
listener.name.mutual.ssl.client.auth=required
listener.name.mutual.ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:admin;User:ANONYMOUS
"""


class SecuredKafka:
    """One broker with four ways in; see the head of this module.

    Parameters
    ----------
    folder
        Empty folder for certificates, configuration, data and log.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        broker = self.authority.key_store(self.authority.sign("broker"))
        stale = self.authority.key_store(self.authority.sign("broker", expired=True))
        files = {"BROKER_STORE": broker, "STALE_STORE": stale, "AUTHORITY": self.authority.certificate}
        properties = PROPERTIES + _SECURITY
        for word, file in files.items():
            properties = properties.replace(word, str(file))
        users = [_scram_option("admin", ADMIN_PASSWORD, 512)]
        users += [_scram_option("alice", ALICE_PASSWORD, bits) for bits in (256, 512)]
        self.broker = ApacheKafka(folder, properties, users, further_ports=3)
        self._admin: AdminClient | None = None

    @property
    def scram(self) -> str:
        """Bootstrap of the listener for passwords and tokens over TLS."""
        return self.broker.bootstrap

    @property
    def mutual(self) -> str:
        """Bootstrap of the listener that asks for a client certificate."""
        return f"127.0.0.1:{self.broker.ports[0]}"

    @property
    def stale(self) -> str:
        """Bootstrap of the listener whose own certificate has expired."""
        return f"127.0.0.1:{self.broker.ports[1]}"

    @property
    def plain(self) -> str:
        """Bootstrap of the listener without TLS."""
        return f"127.0.0.1:{self.broker.ports[2]}"

    def scram_security(self, user: str = "alice", password: str = ALICE_PASSWORD, **changes: object) -> Section:
        """Return the security section of a flow that logs in by SCRAM-SHA-512 over TLS."""
        sasl = {"mechanism": "SCRAM-SHA-512", "username": user, "password": password}
        return {"protocol": "SASL_SSL", "tls": {"ca_file": str(self.authority.certificate)}, "sasl": sasl, **changes}

    def mutual_security(self, identity: Identity | None) -> Section:
        """Return the security section of a flow that shows a certificate, or none."""
        tls = {"ca_file": str(self.authority.certificate)}
        if identity is not None:
            tls |= {"certificate_file": str(identity.certificate), "key_file": str(identity.key)}
        return {"protocol": "SSL", "tls": tls}

    def start(self) -> None:
        """Start the broker and log in as its administrator."""
        self.broker.start()
        self._admin = AdminClient(self._settings(), logger=_QUIET)

    @property
    def log(self) -> str:
        """What the broker has written, for a failed test."""
        return self.broker.log

    def kill(self) -> None:
        """Take the broker away."""
        self.broker.kill()

    def create(self, topic: str) -> None:
        """Create a topic with one partition."""
        self.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(_DEADLINE_S)

    def add_user(self, name: str, password: str) -> None:
        """Let a user log in by SCRAM-SHA-512, or change the password."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        self._alter(name, UserScramCredentialUpsertion(name, info, password.encode()))

    def remove_user(self, name: str) -> None:
        """Let a user no longer log in."""
        self._alter(name, UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512))

    def allow(self, user: str, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Give a user rights."""
        for operation in operations:
            wanted = _acl(AclBinding, user, kind, name, operation)
            self.admin.create_acls([wanted])[wanted].result(_DEADLINE_S)

    def forbid(self, user: str, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Take rights away again."""
        filters = [_acl(AclBindingFilter, user, kind, name, operation) for operation in operations]
        for future in self.admin.delete_acls(filters).values():
            assert len(future.result(_DEADLINE_S)) == 1

    def append(self, topic: str, values: Iterable[bytes]) -> None:
        """Write records as the administrator and wait until they are stored."""
        producer = Producer(self._settings() | {"linger.ms": 0}, logger=_QUIET)
        for value in values:
            producer.produce(topic, value, partition=0)
        assert producer.flush(_DEADLINE_S) == 0

    def read(self, topic: str) -> list[dict[str, Any]]:
        """Return what the messages of a topic say, all of them JSON, as the administrator."""
        settings = {"group.id": "tests", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer(self._settings() | settings | {"fetch.wait.max.ms": 10}, logger=_QUIET)
        try:
            consumer.assign([TopicPartition(topic, 0, 0)])
            return [json.loads(value) for value in iter(lambda: _next_value(consumer), None)]
        finally:
            consumer.close()

    def _alter(self, name: str, change: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        self.admin.alter_user_scram_credentials([change])[name].result(_DEADLINE_S)

    @property
    def admin(self) -> AdminClient:
        """The administrator's client."""
        assert self._admin is not None, "must be started"
        return self._admin

    def _settings(self) -> dict[str, object]:
        return {
            "bootstrap.servers": self.scram,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.authority.certificate),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "admin",
            "sasl.password": ADMIN_PASSWORD,
        }


def _next_value(consumer: Consumer) -> bytes | None:
    message = consumer.poll(_DEADLINE_S)
    assert message is not None, f"a topic must be read within {_DEADLINE_S:g} s"
    error = message.error()
    assert error is None or error.code() == KafkaError._PARTITION_EOF, error
    return None if error is not None else message.value()


def _scram_option(user: str, password: str, bits: int) -> str:
    return f"--add-scram=SCRAM-SHA-{bits}=[name={user},password={password}]"


def _acl(kind: type, user: str, resource: ResourceType, name: str, operation: AclOperation) -> object:
    pattern = ResourcePatternType.LITERAL
    return kind(resource, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
