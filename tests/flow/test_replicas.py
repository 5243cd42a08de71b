"""Two API processes, one of which dies: what its clients can rely on at the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.flow.campaign.parts import System
from tests.flow.campaign.plan import Plan
from tests.flow.stack import Json, until

pytestmark = [pytest.mark.flow, pytest.mark.proof, pytest.mark.timeout(300)]

POINTS = [[1.0, 2.0], [1.1, 2.1], [5.0, 6.0]]
KEYED = {"Idempotency-Key": "one"}


Two = tuple[System, httpx.AsyncClient]


@pytest.fixture(scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    """A worker, two replicas, and a client of both."""
    system = System(Plan(seed=0, static=True, workers=1, apis=2, events=()), tmp_path_factory.mktemp("replicas"))
    async with system.running(), httpx.AsyncClient(headers={"X-API-Key": system.key}, timeout=60) as http:
        yield system, http


async def state(http: httpx.AsyncClient, url: str, request_id: str) -> Json | None:
    """What a replica says of a request; None where it does not know it."""
    answer = await http.get(f"{url}/api/v1/requests/{request_id}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    told: Json = answer.raise_for_status().json()
    return told


async def begun(http: httpx.AsyncClient, url: str, stream: str) -> None:
    """The stream has its owner: a new one's is decided by a worker."""
    (await http.post(f"{url}/api/v1/process_points", json={"points": POINTS, "stream": stream})).raise_for_status()


@contextlib.contextmanager
def nobody_working(system: System) -> Iterator[None]:
    worker = system.parts["worker-0"].child
    worker.freeze()
    try:
        yield
    finally:
        worker.thaw()


async def test_a_replica_that_is_asked_to_end_leaves_its_callers_their_receipts(two: Two) -> None:
    system, http = two
    one, other = system.urls
    await begun(http, one, "leaving")
    with nobody_working(system):
        body = {"points": POINTS, "stream": "leaving", "timeout": 60_000}
        waiting = asyncio.create_task(http.post(f"{one}/api/v1/process_points", json=body))
        await asyncio.sleep(1.5)
        leaving = system.parts["api-0"].child.process
        leaving.terminate()
        answer = await waiting
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.headers["Retry-After"]
    receipt = answer.json()["error"]["details"]
    assert len(receipt["positions"]) == 1
    await until(lambda: state(http, other, receipt["request_id"]))
    await asyncio.to_thread(leaving.wait, 30)  # ready as it was: the next one is waited for
    await system.ready("api-0")


async def test_what_a_replica_took_before_it_died_the_other_tells_by_its_receipt(two: Two) -> None:
    system, http = two
    one, other = system.urls
    body = {"points": POINTS, "stream": "receipts"}
    await begun(http, one, "receipts")
    with nobody_working(system):
        answer = await http.post(f"{one}/api/v1/process_points", params={"wait": "false"}, json=body)
        assert answer.status_code == httpx.codes.ACCEPTED
        accepted = answer.json()
        late = await http.post(f"{one}/api/v1/process_points", json=body | {"timeout": 1000})
        assert late.status_code == httpx.codes.SERVICE_UNAVAILABLE
        waiting = asyncio.create_task(http.post(f"{one}/api/v1/process_points", json=body, headers=KEYED))
        await asyncio.sleep(1.5)
        system.parts["api-0"].kill(seconds=600)
        with pytest.raises(httpx.TransportError):
            await waiting
        assert await state(http, other, accepted["request_id"]) is None, "nothing of it is stored yet"
    again = await http.post(f"{other}/api/v1/process_points", json=body, headers=KEYED)
    assert again.status_code == httpx.codes.OK
    assert again.json()["duplicate"], "the dead replica's client is answered where it repeats its request"
    for receipt in (accepted, late.json()["error"]["details"]):
        await until(lambda receipt=receipt: state(http, other, receipt["request_id"]))  # type: ignore[misc]
        told = await state(http, other, receipt["request_id"])
        assert told is not None
        assert (told["status"], told["total_points"]) == ("done", len(POINTS))
        assert told["positions"] == receipt["positions"]
        assert told["result"] is None, "labels are answered by the process that took the request alone"
