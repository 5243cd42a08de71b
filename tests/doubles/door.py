"""The door with nothing behind it: the real application on settings of one's own, in this process or on a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from fastapi import FastAPI

from ingest_api.__main__ import server_for
from ingest_api.accounts.keys import ApiKey, make
from ingest_api.app import create_app
from ingest_api.settings import ApiSettings
from tests.doubles.desk import wired

ADMIN_PASSWORD = "correct horse battery"
SECRETS = (("k1", "0123456789abcdef0123456789abcdef"),)


def settings_with(**overrides: object) -> ApiSettings:
    """Loopback, a set password, no limits unless asked for."""
    plain = ApiSettings(port=0, admin_password=ADMIN_PASSWORD, jwt_secrets=SECRETS, rate_limits=0)
    return replace(plain, **overrides)  # type: ignore[arg-type]


def key_for(*scopes: str, name: str = "tester") -> tuple[str, ApiKey]:
    """A key, and the form settings keep it in. No scopes make a key that may do nothing."""
    if scopes:
        return make(name, scopes)
    key, kept = make(name, ["read"])
    object.__setattr__(kept, "scopes", ())
    return key, kept


@asynccontextmanager
async def client_of(
    app: FastAPI, *, client: tuple[str, int] = ("127.0.0.1", 50000), base_url: str = "http://127.0.0.1"
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this process, whose parts run meanwhile. `client` is the address it calls from."""
    transport = httpx.ASGITransport(app, client=client)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=base_url) as http:
        yield http


def app_with(**overrides: object) -> FastAPI:
    settings = settings_with(**overrides)
    return create_app(settings, wired(settings))


@asynccontextmanager
async def served(
    app: FastAPI, settings: ApiSettings, certificate: Path | None = None
) -> AsyncIterator[tuple[str, int]]:
    """The application behind its real HTTP server, over TLS where a certificate is given, on a free port: (host,
    port)."""
    server = server_for(app, settings)
    server.config.ssl_certfile = certificate
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise RuntimeError("the server ended before it served")
            await asyncio.sleep(0.01)
        yield "127.0.0.1", int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await serving
