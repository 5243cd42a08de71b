"""A door with accounts in memory, and what its users do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from ingest_api.app import create_app
from ingest_api.domains import LIMITS
from ingest_api.wiring import wire
from pipeline.accounts.destinations import Allowed
from pipeline.accounts.mail import MailSettings
from pipeline.clock import now
from tests.doubles.desk import Desk
from tests.doubles.door import ADMIN_PASSWORD, client_of, settings_with

Json = dict[str, Any]
PASSWORD = "a rather fine password"


@dataclass
class Hours:
    """A clock that can be put forward, and stopped: codes of a second factor change by themselves."""

    ahead: int = 0
    stopped_at: int | None = None

    def __call__(self) -> int:
        return (now() if self.stopped_at is None else self.stopped_at) + self.ahead * 1_000_000

    def stop(self) -> None:
        self.stopped_at = now()


@dataclass
class House:
    """`http` is a caller without a credential, from this machine."""

    app: FastAPI
    desk: Desk
    http: httpx.AsyncClient
    clock: Hours = field(default_factory=Hours)

    def elsewhere(self, address: str = "198.51.100.7") -> httpx.AsyncClient:
        """A caller from another address."""
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    async def login(self, identifier: str = "admin", password: str = ADMIN_PASSWORD, **more: Any) -> httpx.Response:
        body = {"identifier": identifier, "password": password} | more
        return await self.http.post("/api/auth/login", json=body)

    async def bearer(self, identifier: str = "admin", password: str = ADMIN_PASSWORD, **more: Any) -> Json:
        """Headers of a user who has logged in."""
        answer = await self.login(identifier, password, **more)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def register(self, username: str = "ada", **more: Any) -> httpx.Response:
        body = {"username": username, "email": f"{username}@example.com", "password": PASSWORD} | more
        return await self.http.post("/api/auth/register", json=body)

    async def user(self, username: str = "ada", **more: Any) -> Json:
        """Headers of a new user whose address is verified."""
        assert (await self.register(username, **more)).status_code == 201
        verified = await self.http.post("/api/auth/verify-email", json={"token": self.mailed()})
        assert verified.status_code == 200, verified.text
        return await self.bearer(username, PASSWORD)

    def mailed(self) -> str:
        """The token of the last letter."""
        found = re.findall(r"^[0-9a-f]+\.[\w-]+$", self.desk.letters()[-1].text, re.MULTILINE)
        assert found, self.desk.letters()[-1].text
        return str(found[-1])


@contextlib.asynccontextmanager
async def house(
    *,
    mail: MailSettings | None = None,
    allowed: Allowed | None = None,
    base_url: str = "http://127.0.0.1",
    **settings: Any,
) -> AsyncIterator[House]:
    own, clock = settings_with(**settings), Hours()
    desk = Desk(own, clock, mail, allowed)
    app = create_app(own, wire(own, desk.door.directory, (desk.door,), (), clock, limits=LIMITS))
    async with client_of(app, base_url=base_url) as http:
        yield House(app, desk, http, clock)
