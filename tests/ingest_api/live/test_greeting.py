"""How a WebSocket begins: by header, by address, by ticket, by cookie, or by its first message."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ingest_api.accounts.tokens import Tokens, Use
from ingest_api.entities.orders import SYSTEM
from pipeline.clock import now
from schemas.accounts.keys import Key
from schemas.accounts.users import User
from tests.doubles.desk import door_in, session_of
from tests.ingest_api.live.serving import READER, SECRET, Log, Served, serving


def address(served: Served, **query: str) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"ws://127.0.0.1:{served.port}/ws/events?{asked}"


async def told(socket: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 20))


async def all_told(socket: ClientConnection) -> None:
    while True:
        await told(socket)


async def session(served: Served) -> str:
    return await session_of(door_in(cast(FastAPI, served.server.config.app)))


@pytest.mark.parametrize("way", ["token", "api_key"])
async def test_the_first_message_may_say_who_it_is(way: str, kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served, connect(address(served)) as socket:
        shown = await session(served) if way == "token" else READER
        await socket.send(json.dumps({"type": "auth", way: shown}))
        greeted = await told(socket)
        assert greeted["type"] == "auth_success"
        assert greeted["user_id"] == ("admin" if way == "token" else None)
        assert (await told(socket))["type"] == "connected"


async def test_connections_are_counted_for_a_user_whatever_they_came_by(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live(max_per_principal=1)) as served:
        door = door_in(cast(FastAPI, served.server.config.app))
        token = await session_of(door)
        for number in range(2):
            digest, read = door.seals.digest("key", f"ncs_{number:032}"), ["clustering:read"]
            made = {"owner": "admin", "name": "k", "prefix": "ncs_", "digest": digest, "permissions": read}
            await door.orders.order(SYSTEM, Key, f"k{number}", "make", made)
        async with connect(address(served, api_key=f"ncs_{0:032}")) as one:
            assert (await told(one))["type"] == "connected"
            with pytest.raises(InvalidStatus, match="503"):
                await connect(address(served, api_key=f"ncs_{1:032}"))
            async with httpx.AsyncClient() as http:
                more = await http.get(f"{served.url}/api/v1/events", headers={"Authorization": f"Bearer {token}"})
            assert more.status_code == 503
            async with connect(address(served, api_key=READER)) as other:
                assert (await told(other))["type"] == "connected", "a key of the settings counts by itself"


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[]",
        "{}",
        '{"type": "auth"}',
        '{"type": "auth", "token": 7}',
        '{"type": "auth", "token": "a.b.c"}',
        '{"type": "subscribe", "topics": []}',
        json.dumps({"type": "auth", "token": "x" * 20_000}),
    ],
)
async def test_a_first_message_that_names_nobody_ends_it(said: str, kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served, connect(address(served)) as socket:
        await socket.send(said)
        assert (await told(socket))["error"]["code"] == "AUTHENTICATION_ERROR"
        with pytest.raises(ConnectionClosed) as closed:
            await told(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_a_credential_shown_twice_is_welcome_and_another_callers_is_not(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served:
        token = await session(served)
        async with connect(address(served, token=token)) as socket:
            await told(socket)
            for shown in ({}, {"token": token}, {"token": await session(served)}):
                await socket.send(json.dumps({"type": "auth", **shown}))
                greeted = await told(socket)
                assert (greeted["type"], greeted["user_id"]) == ("auth_success", "admin")
            for wrong, code in (({"token": "a.b.c"}, "AUTHENTICATION_ERROR"), ({"api_key": READER}, "CONFLICT")):
                await socket.send(json.dumps({"type": "authenticate", **wrong}))
                assert (await told(socket))["error"]["code"] == code
            await socket.send(json.dumps({"type": "ping"}))
            assert (await told(socket))["type"] == "pong"


@pytest.mark.parametrize("way", ["token", "api_key", "ticket"])
async def test_a_credential_that_does_not_hold_is_refused_with_the_handshake(way: str, kafka_bootstrap: str) -> None:
    """Clients reconnect for ever to what is opened and then closed."""
    async with serving(Log(kafka_bootstrap).live()) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(address(served, **{way: "made-up"}))
    answer = refused.value.response
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert json.loads(answer.body)["error"]["code"] == "AUTHENTICATION_ERROR"


async def test_a_ticket_opens_one_socket_and_no_second(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served:
        held = Tokens({"k1": SECRET}, now).read(await session(served))
        made = Tokens({"k1": SECRET}, now).issue("user:admin", ("read",), use=Use.TICKET, session=held.session, ttl=30)
        async with connect(address(served, ticket=made)) as socket:
            assert (await told(socket))["type"] == "connected"
        with pytest.raises(InvalidStatus, match="401"):
            await connect(address(served, ticket=made))


async def test_a_cookie_is_taken_from_a_page_of_ours(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served:
        held = Tokens({"k1": SECRET}, now).read(await session(served))
        cookie = Tokens({"k1": SECRET}, now).issue("user:admin", ("read",), use=Use.COOKIE, session=held.session)
        headers = {"Cookie": f"session={cookie}"}
        async with connect(address(served), additional_headers=headers) as socket:
            assert (await told(socket))["type"] == "connected"


async def test_who_is_logged_out_is_off_the_line_at_once(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live(recheck=3600)) as served:
        token = await session(served)
        door = door_in(cast(FastAPI, served.server.config.app))
        async with connect(address(served, token=token)) as socket:
            assert (await told(socket))["type"] == "connected"
            await door.orders.order(SYSTEM, User, "admin", "close_sessions")
            with pytest.raises(ConnectionClosed) as closed:
                await all_told(socket)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.reason == "credential_no_longer_valid"
