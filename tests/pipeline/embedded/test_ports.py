"""A port that cannot be had is named before anything starts."""

from __future__ import annotations

import os
import socket

import pytest

from pipeline.embedded.ports import Port, check_free, listens
from pipeline.errors import Misconfigured
from tests.ports import free_ports


def _port(number: int, part: str = "broker", host: str = "127.0.0.1") -> Port:
    return Port(part, host, number, f"--{part}-port", f"THALWEG_{part.upper()}_PORT")


def test_free_ports_pass() -> None:
    check_free([_port(number) for number in free_ports(2)])


def test_a_taken_port_is_named_with_its_holder_and_both_ways_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert listens("127.0.0.1", number)
        with pytest.raises(Misconfigured) as refused:
            check_free([_port(number)])
    for said in (str(number), f"pid {os.getpid()}", "--broker-port", "THALWEG_BROKER_PORT"):
        assert said in str(refused.value)


def test_every_taken_port_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        numbers = [one.getsockname()[1], other.getsockname()[1]]
        with pytest.raises(Misconfigured) as refused:
            check_free([_port(number) for number in numbers])
    assert all(str(number) in str(refused.value) for number in numbers)


def test_one_port_for_two_parts_is_refused() -> None:
    [number] = free_ports(1)
    with pytest.raises(Misconfigured, match="both broker and api"):
        check_free([_port(number), _port(number, "api")])


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(Misconfigured, match="cannot be listened on"):
        check_free([_port(free_ports(1)[0], host="192.0.2.1")])


def test_nobody_listens_on_a_free_port() -> None:
    assert not listens("127.0.0.1", free_ports(1)[0])
