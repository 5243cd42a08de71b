"""Accounts over the whole road: two API processes, one worker that decides, one log between."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
import websockets

from pipeline.accounts.envelope import Letter
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.kafka.browse import stretch
from schemas.accounts.topics import COMMANDED, KEYS, MAIL, USERS
from schemas.accounts.traces import MailRequested
from schemas.codec import Codec
from tests.flow.child import Child, api
from tests.flow.stack import ADMIN_PASSWORD, Stack, until
from tests.ports import free_ports

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

PASSWORD = "a rather fine password"
Json = dict[str, Any]
REVOKED_SECONDS = 5.0
"""What is promised of a logout: everywhere within so long. The rest is this machine's business."""


@dataclass
class Two:
    """One system, `here` and `there` clients of its two API processes."""

    stack: Stack
    there_api: Child
    here: httpx.AsyncClient
    there: httpx.AsyncClient

    async def login(self, name: str, password: str = PASSWORD, **more: Any) -> Json:
        answer = await self.here.post("/api/auth/login", json={"identifier": name, "password": password} | more)
        told: Json = answer.raise_for_status().json()
        return told

    async def admin(self) -> Json:
        return bearer(await self.login("admin", ADMIN_PASSWORD))

    async def user(self, **more: Any) -> str:
        """A new user, made by the administrator."""
        name = f"u{uuid.uuid4().hex[:10]}"
        body = {"username": name, "password": PASSWORD, "roles": ["user"]} | more
        (await self.here.post("/api/admin/users", json=body, headers=await self.admin())).raise_for_status()
        return name


def bearer(tokens: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture(scope="module")
async def two(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    [port] = free_ports(1)
    other = api(stack.told | {"THALWEG_API_ORDINAL": "1"}, tmp_path_factory.mktemp("there"), port)
    await asyncio.to_thread(other.__enter__)
    try:
        async with (
            httpx.AsyncClient(base_url=stack.api.url, timeout=60) as here,
            httpx.AsyncClient(base_url=other.url, timeout=60) as there,
        ):
            yield Two(stack, other, here, there)
    finally:
        other.stop()


async def test_a_token_of_one_server_is_good_at_the_other_at_once(two: Two) -> None:
    name = await two.user()
    for _ in range(5):
        tokens = await two.login(name)
        answer = await two.there.get("/auth/me", headers=bearer(tokens))
        assert answer.json()["username"] == name
        fresh = await two.there.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert (await two.here.get("/auth/me", headers=bearer(fresh.json()))).status_code == 200


async def test_who_logs_out_at_one_server_is_out_at_the_other(two: Two) -> None:
    tokens = await two.login(await two.user())
    assert (await two.there.get("/auth/me", headers=bearer(tokens))).status_code == 200
    assert (await two.here.post("/api/auth/logout", headers=bearer(tokens))).status_code == 200
    begun = time.monotonic()
    await until(lambda: refused(two.there, tokens), REVOKED_SECONDS)
    assert time.monotonic() - begun <= REVOKED_SECONDS


async def refused(client: httpx.AsyncClient, tokens: Json) -> bool:
    return (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401


async def test_who_is_banned_at_one_server_loses_the_socket_at_the_other(two: Two) -> None:
    name = await two.user()
    tokens, admin = await two.login(name), await two.admin()
    place = f"/api/users/{tokens['user']['id']}"
    url = two.there_api.url.replace("http", "ws") + "/ws/events"
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"type": "auth", "token": tokens["access_token"]}))
        assert json.loads(await socket.recv())["type"] == "auth_success"
        (await two.here.patch(place, json={"status": "banned"}, headers=admin)).raise_for_status()
        async with asyncio.timeout(REVOKED_SECONDS):
            with pytest.raises(websockets.ConnectionClosed, match="credential_no_longer_valid"):
                await everything(socket)


async def everything(socket: websockets.ClientConnection) -> None:
    while True:
        await socket.recv()


async def test_a_name_asked_for_at_both_servers_at_once_is_given_once(two: Two) -> None:
    admin, name = await two.admin(), f"u{uuid.uuid4().hex[:10]}"
    bodies = [{"username": name.upper() if n % 2 else name, "password": PASSWORD, "roles": ["user"]} for n in range(12)]
    answers = await asyncio.gather(
        *(
            (two.here if number % 2 else two.there).post("/api/admin/users", json=body, headers=admin)
            for number, body in enumerate(bodies)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11


async def test_a_refresh_token_raced_at_both_servers_is_good_once_at_most_and_ends_the_session(two: Two) -> None:
    tokens = await two.login(await two.user())
    body = {"refresh_token": tokens["refresh_token"]}
    answers = await asyncio.gather(*(client.post("/auth/refresh", json=body) for client in (two.here, two.there)))
    assert sum(answer.status_code == 200 for answer in answers) <= 1, "none, if the session ended before it was told"
    assert any(answer.status_code == 401 for answer in answers)
    held = [tokens, *(answer.json() for answer in answers if answer.status_code == 200)]
    for each in held:
        await until(partial(refused, two.here, each), REVOKED_SECONDS)


async def test_a_ticket_shown_at_both_servers_opens_one_socket(two: Two) -> None:
    headers = bearer(await two.login(await two.user()))
    ticket = (await two.here.post("/auth/ticket", headers=headers)).json()["ticket"]
    kinds = await asyncio.gather(*(opened(url, ticket) for url in (two.stack.api.url, two.there_api.url)))
    assert sorted(kinds) == ["401", "connected"]


async def opened(url: str, ticket: str) -> str:
    try:
        async with websockets.connect(f"{url.replace('http', 'ws')}/ws/events?ticket={ticket}") as socket:
            return str(json.loads(await socket.recv())["type"])
    except websockets.InvalidStatus as refused:
        return str(refused.response.status_code)


async def test_changes_of_one_version_are_made_once(two: Two) -> None:
    tokens = await two.login(await two.user())
    headers = bearer(tokens)
    seen = (await two.here.get("/api/users/profile", headers=headers)).headers["ETag"]
    answers = await asyncio.gather(
        *(
            client.put("/api/users/profile", json={"bio": f"{number}"}, headers=headers | {"If-Match": seen})
            for number, client in enumerate((two.here, two.there) * 3)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5


async def test_what_was_decided_survives_the_death_of_the_worker_and_of_the_server(two: Two) -> None:
    name = await two.user()
    tokens = await two.login(name)
    two.stack.worker.kill()
    late = asyncio.create_task(two.here.put("/api/users/profile", json={"bio": "kept"}, headers=bearer(tokens)))
    await asyncio.sleep(0.5)
    two.stack.worker.launch()
    await asyncio.to_thread(two.stack.worker.await_ready, 180)
    assert (await late).status_code in (200, 503), "503 where the worker came later than a caller waits"

    async def kept() -> bool:
        answer = await two.there.get("/api/users/profile", headers=bearer(tokens))
        return bool(answer.json()["user"]["bio"] == "kept")

    await until(kept)
    two.there_api.kill()
    two.there_api.launch()
    await asyncio.to_thread(two.there_api.await_ready)
    assert (await two.there.get("/auth/me", headers=bearer(tokens))).json()["username"] == name
    assert (await two.login(name))["access_token"]


@dataclass
class Newcomer:
    """Somebody who registers, and reads the mail that comes of it."""

    two: Two
    name: str

    @property
    def address(self) -> str:
        return f"{self.name}@example.com"

    async def register(self) -> httpx.Response:
        body = {"username": self.name, "email": self.address, "password": PASSWORD}
        return await self.two.here.post("/api/auth/register", json=body)

    async def mails(self) -> list[MailRequested]:
        values = [record.value or b"" for record in stretch(self.two.stack.kafka, MAIL.name)]
        return [mail for value in values if (mail := Codec().decode(value, MailRequested)).recipient == self.address]

    async def verify(self) -> None:
        await until(self.mails)
        [mail] = await self.mails()
        secret = self.two.stack.told["THALWEG_ACCOUNT_SECRETS"].partition(":")[2]
        text = Letter.opened(Seals(SealSettings((secret,))), mail.sealed).text
        token = re.findall(r"^[0-9a-f]{24}\.[\w-]+$", text, re.MULTILINE)[0]
        assert token not in mail.sealed
        assert (await self.two.there.post("/api/auth/verify-email", json={"token": token})).status_code == 200
        assert (await self.two.login(self.address))["user"]["email_verified"] is True


@pytest.fixture
def newcomer(two: Two) -> Newcomer:
    return Newcomer(two, f"u{uuid.uuid4().hex[:10]}")


async def test_a_newcomer_verifies_by_the_mail_in_the_log(newcomer: Newcomer) -> None:
    assert (await newcomer.register()).status_code == 201
    await newcomer.verify()


async def test_without_workers_who_is_in_stays_in_and_others_are_told_to_come_back(
    two: Two, newcomer: Newcomer
) -> None:
    name = await two.user()
    tokens = await two.login(name)
    two.stack.worker.freeze()
    try:
        assert (await two.here.get("/auth/me", headers=bearer(tokens))).status_code == 200
        login = two.here.post("/api/auth/login", json={"identifier": name, "password": PASSWORD})
        answers = await asyncio.gather(login, newcomer.register())
    finally:
        two.stack.worker.thaw()
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(answer.headers["Retry-After"] for answer in answers)
    await newcomer.verify()  # what was not decided in time is decided later, and its mail comes with it


def test_no_secret_stands_in_the_log_in_the_clear(two: Two) -> None:
    """Passwords, keys, refresh tokens: whoever can read the log can log in as nobody."""
    for topic in (COMMANDED, USERS, KEYS):
        for record in stretch(two.stack.kafka, topic.name, {0: 0}):
            value = record.value or b""
            assert PASSWORD.encode() not in value
            assert ADMIN_PASSWORD.encode() not in value
            assert re.search(rb"(ncs|nk)_[0-9a-f]{32}", value) is None
