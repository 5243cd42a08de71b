"""A Docker engine is noticed within a second, and its absence too."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests import containers


def _answer(server: socket.socket, reply: bytes) -> threading.Thread:
    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("reply", "there"),
    [(b"HTTP/1.1 200 OK\r\n\r\nOK", True), (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", False), (b"", False)],
)
def test_an_engine_is_there_when_its_socket_answers_a_ping(tmp_path: Path, reply: bytes, there: bool) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        server.listen()
        serving = _answer(server, reply)
        assert containers.engine_answers(f"unix://{tmp_path}/docker.sock") is there
        serving.join()


def test_no_socket_is_no_engine(tmp_path: Path) -> None:
    assert not containers.engine_answers(f"unix://{tmp_path}/docker.sock")


def test_podman_serves_where_no_docker_engine_does(tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "podman" / "podman.sock"))
        server.listen()
        serving = _answer(server, b"HTTP/1.1 200 OK\r\n\r\nOK")
        found = containers.answering_engine({"XDG_RUNTIME_DIR": str(tmp_path)})
        if found != f"unix://{tmp_path}/podman/podman.sock":  # a Docker engine answers here, and comes first
            assert found == "unix:///var/run/docker.sock"
            assert containers.engine_answers(f"unix://{tmp_path}/podman/podman.sock")
        serving.join()


def test_no_other_engine_is_taken_than_the_one_that_is_named(tmp_path: Path) -> None:
    named = f"unix://{tmp_path}/docker.sock"
    assert containers.answering_engine({"DOCKER_HOST": named, "XDG_RUNTIME_DIR": str(tmp_path)}) is None
