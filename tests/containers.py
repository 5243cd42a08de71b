"""Kafka and ClickHouse in containers, for machines where a Docker engine answers."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit
from urllib.request import urlopen

from testcontainers.core.container import DockerContainer

from pipeline.embedded.kafka import probe
from tests.ports import free_ports

KAFKA_IMAGE = "apache/kafka:4.3.1"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:26.3"
_SOCKET = "unix:///var/run/docker.sock"
_PODMAN = "podman/podman.sock"
_ASK_S = 1.0
_START_S = 120.0
_POLL_S = 0.2


def engine_answers(address: str | None = None) -> bool:
    """Whether a Docker engine listens at `address` (else DOCKER_HOST, else its usual socket)."""
    url = urlsplit(address or os.environ.get("DOCKER_HOST") or _SOCKET)
    try:
        with socket.socket(socket.AF_UNIX if url.scheme == "unix" else socket.AF_INET) as connection:
            connection.settimeout(_ASK_S)
            connection.connect(url.path if url.scheme == "unix" else (url.hostname, url.port or 2375))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(256).partition(b"\n")[0]
    except OSError:
        return False


def answering_engine(environ: Mapping[str, str]) -> str | None:
    """The address of the engine that answers: the one that DOCKER_HOST names and no other, else Docker's, else
    Podman's, the user's or the machine's."""
    if environ.get("DOCKER_HOST"):
        usual = [environ["DOCKER_HOST"]]
    else:
        folders = filter(None, (environ.get("XDG_RUNTIME_DIR"), "/run"))
        usual = [_SOCKET, *(f"unix://{folder}/{_PODMAN}" for folder in folders)]
    return next(filter(engine_answers, usual), None)


@contextlib.contextmanager
def kafka() -> Iterator[str]:
    """`host:port` of a broker: the port is chosen first, for the broker tells its clients where it is."""
    [port] = free_ports(1)
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    host = container.get_container_host_ip()
    for name, value in _kafka_environment(host, port).items():
        container = container.with_env(name, value)
    with container:
        _wait(lambda: probe.answers(host, port), KAFKA_IMAGE)
        yield f"{host}:{port}"


@contextlib.contextmanager
def clickhouse(user: str, password: str) -> Iterator[str]:
    """`host:port` of its HTTP interface."""
    container = DockerContainer(CLICKHOUSE_IMAGE).with_exposed_ports(8123)
    container = container.with_env("CLICKHOUSE_USER", user).with_env("CLICKHOUSE_PASSWORD", password)
    with container.with_env("CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "1"):
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(8123))
        _wait(lambda: _pings(host, port), CLICKHOUSE_IMAGE)
        yield f"{host}:{port}"


def _kafka_environment(host: str, port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{host}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_MESSAGE_MAX_BYTES": "8388608",
    }


def _pings(host: str, port: int) -> bool:
    try:
        with urlopen(f"http://{host}:{port}/ping", timeout=_ASK_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait(ready: Callable[[], bool], image: str) -> None:
    """The engine forwards the port before the server behind it listens, so the server itself is asked."""
    deadline = time.monotonic() + _START_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{image} did not answer within {_START_S:g} s")
        time.sleep(_POLL_S)
