"""Three real brokers on loopback that replicate to one another: leaders can die, and others take over.

Sessions are short, so that a dead leader is replaced within two to four seconds instead of nine. Brokers are ended by
SIGKILL only: of three that are asked to stop together the last one waits for a controller that is gone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from brokers.apache_kafka import KafkaNode, cluster_id_option, free_ports
from brokers.kafka_topics import QUIET, KafkaTopics, until

NODES: Final = (1, 2, 3)
_REPLICATION: Final = 3
_READY_S: Final = 60.0
_PROPERTIES: Final = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=10485760
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.timeout.ms=500
controlled.shutdown.enable=false
"""


class KafkaCluster:
    """Three brokers, each a controller as well; a write counts when two of them have it.

    Parameters
    ----------
    folder
        Empty folder.
    """

    def __init__(self, folder: Path) -> None:
        ports = free_ports(2 * len(NODES))
        self._ports = dict(zip(NODES, ports, strict=False))
        controllers = dict(zip(NODES, ports[len(NODES) :], strict=True))
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items())
        cluster_id = cluster_id_option()
        self.nodes: dict[int, KafkaNode] = {}
        for node in NODES:
            own = folder / str(node)
            own.mkdir()
            text = _PROPERTIES.format(
                node=node, voters=voters, port=self._ports[node], controller_port=controllers[node], folder=own
            )
            self.nodes[node] = KafkaNode(own, self._ports[node], text, (cluster_id,))

    @property
    def bootstrap(self) -> str:
        """Where clients connect: any of the three."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    @property
    def log(self) -> str:
        """What the brokers have written, for a failed test."""
        return "\n".join(f"broker {number}:\n{node.log}" for number, node in self.nodes.items())

    @property
    def topics(self) -> KafkaTopics:
        """The cluster's topics, three replicas each."""
        return KafkaTopics(self.bootstrap, replication=_REPLICATION)

    def start(self) -> None:
        """Start all brokers, again after a kill too, and wait until they have found one another."""
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.await_ready()
        admin = AdminClient({"bootstrap.servers": self.bootstrap}, logger=QUIET)

        def complete() -> bool:
            try:
                return len(admin.list_topics(timeout=1).brokers) == len(self.nodes)
            except KafkaException:
                return False

        until(complete, "all brokers know one another", _READY_S)

    def kill(self) -> None:
        """Take all brokers away as a power cut does; what the system has not written to disk survives all the same."""
        for node in self.nodes.values():
            node.kill()
