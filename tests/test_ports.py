"""Ports that tests lend to processes are not lent twice."""

from __future__ import annotations

import socket

import pytest

from tests.ports import FIRST, LANES, WIDTH, Lane


def test_ports_are_distinct_and_never_those_that_the_system_lends_to_callers() -> None:
    ports = [port for number in range(LANES) for port in Lane(number).take(20)]
    assert len(set(ports)) == LANES * 20
    assert min(ports) >= FIRST
    assert max(ports) < 32_768


def test_what_was_given_is_not_given_again_soon() -> None:
    lane = Lane(LANES - 1)
    assert len({port for _ in range(100) for port in lane.take(3)}) == 300


def test_a_port_in_use_is_passed_over() -> None:
    lane = Lane(LANES - 1)
    [port] = lane.take(1)
    with socket.socket() as held:
        held.bind(("127.0.0.1", port + 1 if port + 1 < FIRST + LANES * WIDTH else FIRST + (LANES - 1) * WIDTH))
        assert lane.take(1) != [held.getsockname()[1]]


def test_when_none_is_left_that_is_said() -> None:
    with pytest.raises(OSError, match="fewer than 2001"):
        Lane(LANES - 1).take(WIDTH + 1)
