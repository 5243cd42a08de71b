"""The settings of the embedded broker, and the server.properties they become."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.embedded.kafka.listener import listener_security
from pipeline.settings import OPEN, Environment, KafkaSecurity, between, setting

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_FOUR_WEEKS_MIN = 4 * 7 * 24 * 60


@dataclass(frozen=True)
class BrokerSettings:
    """`data_dir` holds everything the broker writes. It listens on loopback alone, as `security` says: that user is let
    in, and everything allowed to it; others may be made with SCRAM, and are allowed nothing but what ACLs say. `pem` is
    the certificate with its key, where it encrypts."""

    data_dir: Path
    port: int = 9092
    controller_port: int = 9093
    heap_mib: int = 512
    host: str = "127.0.0.1"
    security: KafkaSecurity = OPEN
    pem: Path | None = None

    @classmethod
    def from_environment(cls, environ: Environment) -> BrokerSettings:
        return cls(
            data_dir=setting(environ, "THALWEG_DATA_DIR", Path(".thalweg"), Path) / "kafka",
            port=setting(environ, "THALWEG_KAFKA_PORT", cls.port, between(1, 65535)),
            controller_port=setting(environ, "THALWEG_KAFKA_CONTROLLER_PORT", cls.controller_port, between(1, 65535)),
            heap_mib=setting(environ, "THALWEG_KAFKA_HEAP_MIB", cls.heap_mib, between(128, 65536)),
            security=KafkaSecurity.from_environment(environ),
        )

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "log"


def server_properties(settings: BrokerSettings) -> dict[str, str]:
    """One KRaft node that is broker and controller at once (KIP-500), sized for a laptop."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{settings.host}:{settings.controller_port}",
        "listeners": f"CLIENTS://{settings.bootstrap},CONTROLLER://{settings.host}:{settings.controller_port}",
        "advertised.listeners": f"CLIENTS://{settings.bootstrap}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        **listener_security(settings.security, settings.pem),
        "log.dirs": str(settings.log_dir.resolve()),
        "controlled.shutdown.enable": "true",
        # After a crash the controller takes the broker back only once its former self is timed out: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # Topics come from the catalogue alone: a misspelt name must fail, not make a topic.
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        **_single_node_topics(),
        **_groups(),
        **_sizes(),
    }


def _single_node_topics() -> dict[str, str]:
    return {
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "2",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "2",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }


def _groups() -> dict[str, str]:
    return {
        # Nobody else is about to join: waiting for them only slows the first assignment.
        "group.initial.rebalance.delay.ms": "0",
        # Lets a member choose a short session, so that the death of a worker is noticed within seconds.
        "group.min.session.timeout.ms": "1000",
        # A machine switched off over a holiday must not come back to forgotten positions.
        "offsets.retention.minutes": str(_FOUR_WEEKS_MIN),
    }


def _sizes() -> dict[str, str]:
    return {
        "num.network.threads": "2",
        "num.io.threads": "4",
        # 128 MiB by default, a quarter of this heap.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }


def render(properties: dict[str, str]) -> str:
    """The text of a Java properties file; backslashes are the format's escape character."""
    return "".join(f"{key}={_escape(value)}\n" for key, value in properties.items())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\")
