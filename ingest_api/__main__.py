"""`python -m ingest_api`: one API process, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging.config
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import uvicorn
from fastapi import FastAPI
from uvicorn.loops.auto import auto_loop_factory

from ingest_api.access_log import CONFIG
from ingest_api.app import create_app
from ingest_api.assembly import DoorSettings, assemble
from ingest_api.live.draining import DrainingServer
from ingest_api.protocol import BoundedHttp, OpenWebSocket
from ingest_api.settings import ApiSettings
from pipeline import announce, heap, lifeline
from pipeline.errors import Failure
from pipeline.refusal import status_of

SHUTDOWN_SECONDS = 6
"""For requests in flight; with the closing of the parts it stays below eight."""


async def at_once() -> None:
    """The farewell of an application without a live feed: there is nobody to tell."""


class Server(DrainingServer):
    """Says on stdout when it serves, and where: the supervisor waits for that line. Ends with status 0 when told
    to, where uvicorn, having closed all, would raise the signal anew."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application's parts, serves, and stops them. A part's Failure is raised as it is, where
        uvicorn's own lifespan would write its traceback and exit."""
        app = cast(FastAPI, self.config.app)
        async with app.router.lifespan_context(app):
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            announce.ready("api", f"http://{shown}:{port}")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def server_for(
    app: FastAPI,
    settings: ApiSettings,
    drain: Callable[[], Awaitable[None]] = at_once,
    ws_message_bytes: int = 1024 * 1024,
) -> Server:
    """The server, not yet running."""
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=BoundedHttp,
            ws=OpenWebSocket,
            ws_max_size=ws_message_bytes,
            ws_per_message_deflate=False,  # it would cost each delivery more than the frame itself
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_keep_alive=15,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ),
        drain,
    )


def main() -> int:
    logging.config.dictConfig(CONFIG)
    log = logging.getLogger("thalweg.api")
    lifeline.attach(os.environ)
    try:
        settings = DoorSettings.from_environment(os.environ)
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(_serve(settings))
    except Failure as error:
        log.error("%s", error)
        return status_of(error, os.environ)
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(settings: DoorSettings) -> None:
    door = assemble(settings)
    app = create_app(settings.api, door.wiring)
    heap.settle()
    await server_for(app, settings.api, door.drain, settings.live.max_message_bytes).serve()


if __name__ == "__main__":
    sys.exit(main())
