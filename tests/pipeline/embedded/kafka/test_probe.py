"""The probe tells a broker from anything else that listens."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from pipeline.embedded.kafka import probe
from tests.ports import free_ports


def test_a_broker_answers(kafka_bootstrap: str) -> None:
    host, _, port = kafka_bootstrap.partition(":")
    assert probe.answers(host, int(port), timeout=10)


def test_nobody_does_not() -> None:
    assert not probe.answers("127.0.0.1", free_ports(1)[0])


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">iih", 6, 0x7468_616C, 35),
        struct.pack(">iih", 6, 1, 0),
        b"\x00\x00",
    ],
    ids=["hangs up", "speaks HTTP", "reports an error", "answers another question", "says too little"],
)
def test_another_server_does_not(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(reply)

        serving = threading.Thread(target=serve)
        serving.start()
        assert not probe.answers("127.0.0.1", server.getsockname()[1])
        serving.join()


def test_one_that_says_nothing_does_not_hold_us() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not probe.answers("127.0.0.1", server.getsockname()[1], timeout=0.2)
