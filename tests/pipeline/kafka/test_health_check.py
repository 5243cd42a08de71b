"""The broker's check of docker-compose.yml, run against a broker, and against what is none."""

from __future__ import annotations

import socket
import subprocess
import threading

import pytest

from tests.docs.test_compose import COMPOSE
from tests.ports import free_ports


def check(port: int) -> int:
    """The check's exit status, as compose would run it in the container, with another port."""
    name, command = COMPOSE["services"]["kafka"]["healthcheck"]["test"]
    assert name == "CMD-SHELL"
    words = command.replace("$$", "$").replace("/9092", f"/{port}")
    return subprocess.run(["/bin/sh", "-c", words], capture_output=True, timeout=60, check=False).returncode


def test_a_broker_that_serves_is_healthy(kafka_bootstrap: str) -> None:
    assert check(int(kafka_bootstrap.rpartition(":")[2])) == 0


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\0\0\0\0\0\0\0"])
def test_what_listens_and_is_no_broker_is_not(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        assert check(server.getsockname()[1]) != 0
        serving.join()


def test_where_nothing_listens_nobody_is_healthy() -> None:
    [port] = free_ports(1)
    assert check(port) != 0
