"""HEAD wherever GET is, with the same head and no body."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi.routing import APIRoute

from ingest_api.openapi import routes_of
from tests.doubles.door import app_with, client_of, served
from tests.ingest_api.live.serving import READER, Log, serving
from tests.ingest_api.test_protocol import everything

OF_ITS_MOMENT = ("date", "x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset", "content-length")


def readable(route: APIRoute) -> bool:
    return "GET" in (route.methods or ()) and route.path != "/api/v1/events"


PATHS = sorted({route.path for route in routes_of(app_with()) if readable(route)})


@pytest.mark.parametrize("path", PATHS)
async def test_a_head_is_that_of_the_get(path: str) -> None:
    address = path.replace("{", "").replace("}", "")
    async with client_of(app_with()) as http:
        whole, head = await http.get(address), await http.head(address)
        assert head.status_code == whole.status_code
        assert head.content == b""
        assert {name: value for name, value in head.headers.items() if name not in OF_ITS_MOMENT} == {
            name: value for name, value in whole.headers.items() if name not in OF_ITS_MOMENT
        }
        assert ("content-length" in head.headers) == ("content-length" in whole.headers)


async def test_a_head_over_a_socket_has_a_length_and_nothing_behind_it() -> None:
    app = app_with()
    ask = b"HEAD /openapi.json HTTP/1.1\r\nHost: x\r\n\r\nHEAD /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with served(app, app.state.wiring.settings) as (_, port):
        heads = (await everything(port, ask)).split(b"\r\n\r\n")
    assert len(heads) == 3
    assert heads[0].startswith(b"HTTP/1.1 200 ")
    assert int(heads[0].lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) > 10_000
    assert heads[1].startswith(b"HTTP/1.1 200 ")
    assert heads[2] == b""


async def test_a_head_of_what_can_only_be_written_says_what_is_allowed() -> None:
    async with client_of(app_with()) as http:
        refused = await http.head("/api/v1/process_points")
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
        assert (await http.post("/live")).headers["Allow"] == "GET, HEAD"


async def test_a_head_of_live_events_ends_and_leaves_nobody_listening(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served_, httpx.AsyncClient() as http:
        head = await http.head(f"{served_.url}/api/v1/events", headers={"X-API-Key": READER})
        assert head.status_code == 200
        assert head.headers["Content-Type"].startswith("text/event-stream")
        async with asyncio.timeout(20):
            while len(served_.live.hub):  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.05)
