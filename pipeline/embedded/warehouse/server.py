"""The server itself: opens the engine, serves its HTTP interface, and ends cleanly when told to."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from pipeline import announce, lifeline
from pipeline.embedded.warehouse.application import application
from pipeline.embedded.warehouse.connections import Connections
from pipeline.embedded.warehouse.door import Door
from pipeline.embedded.warehouse.engine import Engine
from pipeline.embedded.warehouse.settings import CONFINED, SECRETS_FD, TEMPORARY, ServerSettings
from pipeline.embedded.warehouse.users import Account, Role, Users
from pipeline.errors import Misconfigured
from pipeline.refusal import EX_CONFIG

log = logging.getLogger("pipeline.embedded.warehouse")
_DRAIN = 2
_END = 4.5
_SWEEP = 10.0


class _Server(uvicorn.Server):
    """Says when it serves. Signals are ours: uvicorn's own way ends the process before the engine is closed."""

    def __init__(self, app: ASGIApp, address: str, connections: Connections) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                http=connections.protocol(),
                timeout_keep_alive=30,
                timeout_graceful_shutdown=_DRAIN,
            )
        )
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        announce.ready("warehouse", self._address)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Ends within `_END` seconds, if need be as a crash would: what was acknowledged is in the engine's files."""
        self.should_exit = True
        last_resort = threading.Timer(_END, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()


def main(arguments: Sequence[str]) -> int:
    """Serves until SIGTERM or SIGINT; 0 after a clean end, 78 with a reason on stderr when it cannot start."""
    options = _options(arguments)
    lifeline.attach(os.environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = ServerSettings.from_environment(os.environ | _secrets())
        listener = _listen(options.host, options.port)
        engine = Engine(options.data_dir.resolve(), settings.database, settings.limits)
    except Misconfigured as error:
        log.error("%s", error)
        return EX_CONFIG
    _clear(options.data_dir / TEMPORARY)
    if os.environ.get(CONFINED) != "1":
        log.warning("this system has no Landlock: the engine's access to files is bounded by the refusals alone")
    door = Door(engine, settings.limits, _users(settings))
    address = f"http://{options.host}:{listener.getsockname()[1]}"
    server = _Server(application(door), address, Connections(settings.limits))
    asyncio.run(_serve(server, listener, door))
    return _end(door, engine)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline.embedded.warehouse.server", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    return parser.parse_args(arguments)


def _clear(temporary: Path) -> None:
    """Removes what killed processes left; the engine's lock, held by now, says that none of them lives."""
    for left in temporary.glob("*"):
        if left.name != str(os.getpid()):
            shutil.rmtree(left, ignore_errors=True)


def _secrets() -> dict[str, str]:
    """The passwords that wait in the pipe named in the environment."""
    descriptor = os.environ.pop(SECRETS_FD, None)
    if descriptor is None:
        return {}
    with os.fdopen(int(descriptor), encoding="utf-8") as pipe:
        read: dict[str, str] = json.load(pipe)
    return read


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise Misconfigured(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    return listener


def _users(settings: ServerSettings) -> Users:
    accounts = {Account(settings.user, Role.OWNER): settings.password}
    if settings.analyst_password:
        accounts[Account("analyst", Role.ANALYST)] = settings.analyst_password
    if not settings.password:
        log.warning("no THALWEG_WAREHOUSE_PASSWORD is set: anyone on this machine may use the warehouse as its owner")
    return Users(accounts)


async def _serve(server: _Server, listener: socket.socket, door: Door) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    sweeper = asyncio.create_task(_sweep(door))
    await server.serve([listener])
    sweeper.cancel()


async def _sweep(door: Door) -> None:
    while True:
        await asyncio.sleep(_SWEEP)
        await asyncio.to_thread(door.end_expired_sessions)


def _end(door: Door, engine: Engine) -> int:
    while not door.close():
        time.sleep(0.05)
    door.close_sessions()
    engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
