"""The ports a run will listen on, checked before anything starts."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from pipeline.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a part will listen on, and the two ways to choose another."""

    part: str
    host: str
    number: int
    flag: str
    variable: str


def check_free(ports: Sequence[Port]) -> None:
    """Raises Misconfigured naming every port that cannot be had, by whom it is held, and how to choose another."""
    problems = [problem for port in ports if (problem := _problem(port)) is not None]
    problems += _claimed_twice(ports)
    if problems:
        raise Misconfigured("\n".join(problems))


def listens(host: str, number: int, timeout: float = 0.5) -> bool:
    """Whether a connection is taken there; a wildcard address is asked on loopback."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        socket.create_connection((reachable, number), timeout).close()
    except OSError:
        return False
    return True


def _problem(port: Port) -> str | None:
    try:
        family, _, _, _, address = socket.getaddrinfo(port.host, port.number, type=socket.SOCK_STREAM)[0]
    except OSError:
        return f"{port.host!r} is not an address of this machine (for the {port.part})"
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # A connection of an earlier run that lingers in TIME_WAIT is no reason to refuse.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            return f"port {port.number} of the {port.part} {_why(error, port.number)}: {_way_out(port)}"
    return None


def _why(error: OSError, number: int) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"cannot be listened on ({os.strerror(error.errno or 0).lower()})"
    holder = _holder(number)
    return "is taken" if holder is None else f"is taken by {holder}"


def _way_out(port: Port) -> str:
    return f"choose another with {port.flag} or {port.variable}"


def _holder(number: int) -> str | None:
    """The process that listens there, where the system lets us see it."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr.port == number:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return None
    return None


def _claimed_twice(ports: Sequence[Port]) -> list[str]:
    first: dict[int, Port] = {}
    problems = []
    for port in ports:
        other = first.setdefault(port.number, port)
        if other is not port:
            problems.append(f"port {port.number} is given to both {other.part} and {port.part}: {_way_out(port)}")
    return problems
