"""Who is at the other end of a connection from this very machine: a program of one's own, or something that passes on
what others send.

A forwarder has another leg: it listens, or was connected to, or is connected to somewhere else. So a program that this
user runs, and all of whose internet sockets are connections that it opened itself, to this machine, forwards nothing
that came over a network. What this cannot see is a program of the same user that passes on what it is handed through a
pipe or a Unix socket.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any

import psutil

from pipeline.settings import loopback

Address = tuple[str, int]


def is_own_client(client: Address, server: Address) -> bool:
    """Whether the process that holds the `client` end of the connection between these two addresses, as the server sees
    them, is such a program. False wherever that cannot be seen, as on macOS without root. Takes some 50 ms.
    """
    try:
        connections = psutil.net_connections("tcp")
        holders = {each.pid for each in connections if _ends(each) == (_plain(client), _plain(server))}
        pid = holders.pop() if len(holders) == 1 else None
        if pid is None:
            return False
        process = psutil.Process(pid)
        listening = {each.laddr[1] for each in connections if each.laddr and each.status == psutil.CONN_LISTEN}
        return set(process.uids()) == {os.getuid()} and all(
            _opened_to_here(each, listening) for each in process.net_connections("inet")
        )
    except (psutil.Error, OSError, AttributeError, ValueError):
        return False


def _opened_to_here(connection: Any, listening: set[int]) -> bool:
    ends = _ends(connection)
    if connection.type != socket.SOCK_STREAM or ends is None:
        return False
    (_, port), (host, remote) = ends
    # The other way round, whoever opened it to here has a port of the moment, on which nobody listens.
    return loopback(host) and remote in listening and port not in listening


def _ends(connection: Any) -> tuple[Address, Address] | None:
    """Both, ours first; None where it is not connected."""
    if not connection.laddr or not connection.raddr:
        return None
    return _plain(connection.laddr[:2]), _plain(connection.raddr[:2])


def _plain(address: Address) -> Address:
    host = ipaddress.ip_address(address[0])
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return str(mapped or host), address[1]
