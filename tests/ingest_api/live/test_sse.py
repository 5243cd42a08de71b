"""Server-sent events as a client meets them."""

from __future__ import annotations

import httpx
import pytest

from tests.doubles.grants import Hiding
from tests.ingest_api.live.records import cluster, clusters, drift, outliers
from tests.ingest_api.live.serving import READER, WRITER, Log, listening, serving, take, token_for, until


@pytest.mark.parametrize("outlets", [True, False])
async def test_a_subscriber_is_greeted_and_told_what_happens(outlets: bool, kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(), outlets=outlets) as served, listening(served) as events:
        (connected,) = await take(events, 1)
        assert connected.type == "connected"
        assert connected.retry == 2000
        assert connected.id == connected.data["cursor"]
        assert connected.data["topics"] == ["clusters", "drift", "outliers"]
        await log.write("clusters", ("s", clusters("s", 1, cluster(1, size=5), cluster(2, changed=False))))
        update, status = await take(events, 2)
        assert update.body["type"] == update.type == "cluster_update"
        assert update.data["cluster_id"] == 1
        assert update.data["center"] == [1.0, 1.0]
        assert update.data["size"] == 5
        assert update.data["health_status"] == "healthy"
        assert (status.type, status.data["active_clusters"]) == ("algorithm_status", 2)
        assert status.data["cluster_ids"] == [1, 2]
        await log.write("drift", ("s", drift("s", 2)))
        await log.write("outliers", ("s", outliers("s", 3, count=250)))
        drifted, outlying = await take(events, 2)
        assert (drifted.type, drifted.data["severity"]) == ("drift_detection", 0.7)
        assert (outlying.type, outlying.data["count"], len(outlying.data["points"])) == ("outliers_detected", 250, 100)


async def test_an_event_source_that_a_ticket_opened_resumes_at_the_address_it_began_with(kafka_bootstrap: str) -> None:
    """As browsers do (WHATWG HTML, 9.2.3): the same address, with the last id they were told in a header."""
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served, httpx.AsyncClient(base_url=served.url) as http:
        bearer = {"Authorization": f"Bearer {await token_for(served, 600)}"}
        ticket = (await http.post("/auth/ticket", headers=bearer)).json()["ticket"]
        async with listening(served, ticket=ticket) as events:
            (connected,) = await take(events, 1)
            assert connected.id is not None
            await log.write("drift", ("s", drift("s", 1)))
            (told,) = await take(events, 1, of="drift_detection")
        last = told.id
        for offset in (2, 3):
            await log.write("drift", ("s", drift("s", offset)))
            async with listening(served, ticket=ticket, headers={"Last-Event-ID": str(last)}) as events:
                (connected,) = await take(events, 1)
                assert (connected.data["resumed"], connected.id) == (True, last)
                (missed,) = await take(events, 1, of="drift_detection")
                assert missed.data["position"].endswith(f"-{offset}")
            last = missed.id
        for shown in ("", str(last).partition("~")[0], str(last)[:-1], f"{last}0"):
            answer = await http.get("/api/v1/events", params={"ticket": ticket}, headers={"Last-Event-ID": shown})
            assert answer.status_code == 401


EVENT_SOURCE = {"Accept": "text/event-stream"}
"""As browsers send it (WHATWG HTML, 9.2.2)."""


async def test_an_event_source_that_finds_no_place_is_told_when_to_come_back(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(max_subscribers=1)) as served, httpx.AsyncClient(base_url=served.url) as http:
        bearer = {"Authorization": f"Bearer {await token_for(served, 600)}"}
        ticket = (await http.post("/auth/ticket", headers=bearer)).json()["ticket"]
        async with listening(served) as occupying:
            await take(occupying, 1)
            async with listening(served, ticket=ticket, headers=EVENT_SOURCE) as events:
                (bye,) = await take(events, 1)
                with pytest.raises(StopAsyncIteration):
                    await anext(events)
            assert (bye.type, bye.data["reason"]) == ("bye", "resource_error")
            assert bye.data["message"]
            assert bye.retry == bye.data["retry_ms"] >= 1000
            program = await http.get("/api/v1/events", headers={"X-API-Key": READER})
            assert (program.status_code, "Retry-After" in program.headers) == (503, True)
        again = EVENT_SOURCE | {"Last-Event-ID": str(bye.id)}
        await until(lambda: not len(served.live.hub))
        async with listening(served, ticket=ticket, headers=again) as events:
            (connected,) = await take(events, 1)
            assert connected.type == "connected"


async def test_an_event_source_that_asks_too_often_is_told_so_and_a_program_is_answered_429(
    kafka_bootstrap: str,
) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(), rate_limits=1e-6) as served, httpx.AsyncClient(base_url=served.url) as http:
        async with listening(served) as events:
            await take(events, 1)
        async with listening(served, headers=EVENT_SOURCE) as events:
            (bye,) = await take(events, 1)
        assert (bye.type, bye.data["reason"], bye.id) == ("bye", "rate_limit_error", None)
        assert (await http.get("/api/v1/events", headers={"X-API-Key": READER})).status_code == 429


@pytest.mark.parametrize(("query", "status"), [({"api_key": "no"}, 401), ({"topics": "no", "api_key": READER}, 422)])
async def test_what_coming_back_does_not_cure_is_answered_as_it_is(
    query: dict[str, str], status: int, kafka_bootstrap: str
) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served, httpx.AsyncClient(base_url=served.url) as http:
        assert (await http.get("/api/v1/events", params=query, headers=EVENT_SOURCE)).status_code == status


async def test_only_the_topics_and_streams_asked_for_are_told(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served, listening(served, topics="drift", stream=["a", "b"]) as events:
        await take(events, 1)
        await log.write("clusters", ("a", clusters("a", 1, cluster(1))))
        await log.write("drift", ("c", drift("c", 2)), ("b", drift("b", 3)), ("a", drift("a", 4)))
        assert [event.data["stream"] for event in await take(events, 2)] == ["b", "a"]


async def test_a_stream_that_may_not_be_read_is_in_no_snapshot_no_message_and_no_replay(kafka_bootstrap: str) -> None:
    log, grants = Log(kafka_bootstrap), Hiding("hidden", mine="m")
    await log.write("clusters", ("hidden", clusters("hidden", 1, cluster(1))), ("m", clusters("m", 1, cluster(1))))
    async with serving(log.live(views=True, grants=grants)) as served:
        async with listening(served, snapshot="true", stream=["hidden", "mine"]) as events:
            (connected,) = await take(events, 1)
            assert connected.data["streams"] == ["hidden", "m"]
            *shown, complete = await take(events, 3)
            assert {event.data["stream"] for event in shown} == {"m"}
            assert complete.type == "snapshot_complete"
            await log.write("drift", ("hidden", drift("hidden", 2)), ("m", drift("m", 3)))
            (told,) = await take(events, 1, of="drift_detection")
            assert told.data["stream"] == "m"
        await log.write("drift", ("hidden", drift("hidden", 4)), ("m", drift("m", 5)))
        async with listening(served, cursor=told.id or "") as events:
            (again,) = await take(events, 1, of="drift_detection")
            assert (again.data["stream"], again.data["at_point"]) == ("m", 5)
        grants.hidden.add("m")
        async with listening(served, cursor=told.id or "") as events:
            await take(events, 1)
            await log.write("drift", ("open", drift("open", 6)))
            (first,) = await take(events, 1, of="drift_detection")
            assert first.data["stream"] == "open"


async def test_what_a_crashed_worker_says_twice_is_told_once(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    said = [("s", drift("s", 1)), ("s", drift("s", 2)), ("s", drift("s", 2, ordinal=1))]
    async with serving(log.live()) as served, listening(served) as events:
        await take(events, 1)
        await log.write("drift", *said, *said, ("s", drift("s", 3)))
        told = await take(events, 4)
        assert [event.data["at_point"] for event in told] == [1, 2, 2, 3]
        assert served.live.feed.decoder.repeated == 3


async def test_the_end_of_a_stream_is_told_and_its_next_life_too(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    alive = ("s", clusters("s", 1, cluster(1)))
    async with serving(log.live()) as served, listening(served, policy="drop_oldest") as events:
        await take(events, 1)
        await log.write("clusters", alive, ("s", None), alive)
        told = [event.type for event in await take(events, 5)]
    assert told == ["cluster_update", "algorithm_status", "stream_deleted", "cluster_update", "algorithm_status"]


async def test_an_unreadable_record_is_passed_over(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served, listening(served) as events:
        await take(events, 1)
        await log.write("drift", ("s", outliers("s", 1)), ("s", drift("s", 2)))
        (told,) = await take(events, 1)
        assert told.data["at_point"] == 2
        assert served.live.feed.decoder.unreadable == 1


async def test_a_snapshot_comes_first_and_then_what_changes(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    await log.write("clusters", ("a", clusters("a", 1, cluster(1, changed=False))), ("b", clusters("b", 2, cluster(7))))
    async with serving(log.live(views=True)) as served, listening(served, snapshot="true", stream=["a"]) as events:
        connected, update, status, complete = await take(events, 4)
        assert connected.id is None
        assert (update.type, update.data["stream"], update.id) == ("cluster_update", "a", None)
        assert status.type == "algorithm_status"
        assert complete.type == "snapshot_complete"
        assert complete.id == connected.data["cursor"]
        await log.write("clusters", ("a", clusters("a", 5, cluster(1, size=9))))
        (changed,) = await take(events, 1, of="cluster_update")
        assert changed.data["size"] == 9


async def test_silence_is_kept_alive_and_a_log_that_moves_elsewhere_moves_the_cursor(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(heartbeat=0.2)) as served, listening(served, stream="mine") as events:
        (connected,) = await take(events, 1)
        assert (await take(events, 1))[0].type == "ping"
        await log.write("drift", ("other", drift("other", 1)))
        (progress,) = await take(events, 1, of="progress")
        assert progress.id is not None
        before = served.live.cursors.read(connected.data["cursor"]).offsets
        after = served.live.cursors.read(progress.id).offsets
        assert sum(after.values()) == sum(before.values()) + 1


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"topics": "clusters,weather"}, 422, "weather: there is no such topic; there are clusters, drift, outliers"),
        ({"policy": "whatever"}, 422, "one of conflate, drop_oldest, disconnect"),
        ({"stream": ["s"] * 101}, 422, "at most 100 streams"),
        ({"stream": [""]}, 422, "a stream's name has from 1 to 256 characters"),
    ],
)
async def test_what_cannot_be_asked_is_answered_with_what_can(
    query: dict[str, str], status: int, told: str, kafka_bootstrap: str
) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served, httpx.AsyncClient() as client:
        answer = await client.get(f"{served.url}/api/v1/events", params=query, headers={"X-API-Key": READER})
        described = (await client.get(f"{served.url}/openapi.json")).json()
    assert answer.status_code == status
    assert told in answer.text
    assert str(status) in described["paths"]["/api/v1/events"]["get"]["responses"]


@pytest.mark.parametrize("junk", ["forged", "a" * 20_000, "AQ"])
async def test_a_cursor_that_is_none_is_told_as_a_gap_and_the_next_id_is_good(junk: str, kafka_bootstrap: str) -> None:
    """A 4xx would end an EventSource for ever; one that shows the old id again would be told so for ever."""
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served:
        async with listening(served, headers={"Last-Event-ID": junk}, cursor=junk[:2000]) as events:
            connected, gap = await take(events, 2)
            assert (connected.data["resumed"], connected.id) == (False, connected.data["cursor"])
            assert (gap.type, gap.data["reason"], gap.data["missing"]) == ("gap", "cursor_refused", None)
            assert "cursor" in gap.data["message"]
            await log.write("drift", ("s", drift("s", 2)))
            assert (await take(events, 1))[0].data["at_point"] == 2
        async with listening(served, headers={"Last-Event-ID": str(connected.id)}, cursor=junk[:2000]) as events:
            resumed, again = await take(events, 2)
            assert resumed.data["resumed"] is True
            assert again.data["at_point"] == 2


async def test_only_who_may_read_gets_in(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served, httpx.AsyncClient() as client:
        address = f"{served.url}/api/v1/events"
        assert (await client.get(address)).status_code == 401
        assert (await client.get(address, params={"token": "made-up"})).status_code == 401
        refused = await client.get(address, headers={"X-API-Key": WRITER})
        assert (refused.status_code, "clustering:read" in refused.text) == (403, True)
        async with client.stream("GET", address, params={"api_key": READER}) as response:
            assert response.status_code == 200


async def test_connections_are_bounded_in_all_and_for_each(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(max_per_principal=1)) as served, httpx.AsyncClient() as client:
        async with listening(served) as events:
            await take(events, 1)
            more = await client.get(f"{served.url}/api/v1/events", headers={"X-API-Key": READER})
            assert (more.status_code, int(more.headers["Retry-After"])) == (503, 5)
        async with listening(served) as events:
            assert (await take(events, 1))[0].type == "connected"
