"""A server that is to go tells its subscribers and is gone in seconds, whoever listens."""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import connect

from tests.ingest_api.live.serving import Log, listening, serving, take, token_for


async def test_a_server_that_stops_says_bye_and_is_gone_in_seconds(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served:
        async with listening(served) as events, connect(served.socket("/ws/events")) as socket:
            await take(events, 1)
            await socket.recv()
            served.server.should_exit = True
            (bye,) = await take(events, 1)
            assert (bye.type, bye.data["reason"]) == ("bye", "shutdown")
            assert bye.retry is not None
            assert '"shutdown"' in str(await socket.recv())
            await socket.wait_closed()
            assert socket.close_code == 1001
            assert [event async for event in events] == []
        async with asyncio.timeout(10):
            await served.task


async def test_one_server_that_stops_leaves_the_streams_of_another_alone(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as stays, listening(stays) as events:
        await take(events, 1)
        async with serving(log.live()) as goes, listening(goes) as others:
            await take(others, 1)
            goes.server.should_exit = True
            assert (await take(others, 1))[0].type == "bye"
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1.2))  # longer than the library's own watcher takes to look
        async with listening(stays) as more:
            assert (await take(more, 1))[0].type == "connected"
        stays.live.hub.tick(float("inf"), 0)
        assert (await take(events, 1))[0].type == "ping"


async def test_a_credential_that_no_longer_holds_ends_the_stream(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with (
        serving(log.live(recheck=0.1)) as served,
        listening(served, token=await token_for(served, 1.5)) as events,
    ):
        await take(events, 1)
        (bye,) = await take(events, 1, of="bye")
        assert bye.data["reason"] == "credential_no_longer_valid"
