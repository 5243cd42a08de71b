"""Whether a Kafka broker answers: one ApiVersions request over a plain socket."""

from __future__ import annotations

import socket
import ssl
import struct

_API_VERSIONS = 18
_CORRELATION = 0x7468_616C
_CLIENT = b"thalweg-probe"
# size, api key, api version, correlation id, length of the client id (request header v1)
_REQUEST = struct.pack(">ihhih", 10 + len(_CLIENT), _API_VERSIONS, 0, _CORRELATION, len(_CLIENT)) + _CLIENT


def answers(host: str, port: int, timeout: float = 1.0, *, tls: bool = False) -> bool:
    """True when the broker answers ApiVersions (v0, which every broker knows, before anybody logs in) without an error.
    Over TLS whoever it says it is: it is told nothing."""
    try:
        with _connected(host, port, timeout, tls) as connection:
            connection.settimeout(timeout)
            connection.sendall(_REQUEST)
            # size, correlation id, error code
            _, correlation, error = struct.unpack(">iih", _receive(connection, 10))
    except (OSError, struct.error):
        return False
    return (correlation, error) == (_CORRELATION, 0)


def _connected(host: str, port: int, timeout: float, tls: bool) -> socket.socket:
    connection = socket.create_connection((host, port), timeout)
    if not tls:
        return connection
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(connection)
    except OSError:
        connection.close()
        raise


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (part := connection.recv(size - len(received))):
        received += part
    return received
