"""A request goes where it may, to the address that was judged, once, and for a bounded time."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.accounts.destinations import Allowed
from pipeline.courier.post import LONGEST_ANSWER, Crowded, Post, Resolver
from tests.doubles.certificates import self_signed
from tests.doubles.receiver import Delivered, Receiver, receiving, status

LOOPBACK = Allowed.parse("127.0.0.0/8")
HEADERS = {"webhook-id": "msg_1"}
BODY = b'{"type":"x"}'


class Names:
    """A resolver that counts, and whose answer may change from one question to the next."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers, self.asked = answers, 0

    async def __call__(self, host: str, port: int, owner: str) -> Sequence[str]:
        self.asked += 1
        answer = self._answers[min(self.asked, len(self._answers)) - 1]
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answer


async def test_a_request_arrives_with_its_headers_and_body() -> None:
    async with receiving() as receiver:
        answer = await Post(LOOPBACK).send(f"{receiver.url}?a=b", HEADERS | {"content-type": "application/json"}, BODY)
    assert (answer.status, answer.error) == (204, None)
    [got] = receiver.received
    assert (got.path, got.body, got.id) == ("/hook?a=b", BODY, "msg_1")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"


async def test_loopback_is_refused_unless_it_is_allowed() -> None:
    async with receiving() as receiver:
        answer = await Post(Allowed()).send(receiver.url, HEADERS, BODY)
    assert answer.status is None
    assert answer.error == "the URL's host has an address that is not public"
    assert receiver.connections == 0


async def test_a_name_that_leads_to_loopback_is_refused() -> None:
    async with receiving() as receiver:
        url = f"https://localhost.hooks.example:{receiver.port}/"
        answer = await Post(Allowed(), resolve=Names(["127.0.0.1"])).send(url, HEADERS, BODY)
    assert answer.error == "the URL's host has an address that is not public"
    assert receiver.connections == 0


async def test_the_systems_own_resolver_is_asked_and_judged() -> None:
    async with receiving() as receiver:
        url = f"https://localhost:{receiver.port}/"
        assert "127.0.0.1" in await Resolver()("localhost", receiver.port)
        answer = await Post(Allowed()).send(url, HEADERS, BODY)
    assert answer.error == "the URL's host has an address that is not public"
    assert receiver.connections == 0


async def test_a_name_is_resolved_once_so_that_it_cannot_mean_another_address_when_it_is_connected_to() -> None:
    """The first answer is harmless and answers nothing; the second, which nobody asks for, would be a neighbour."""
    async with receiving() as neighbour:
        names = Names(["127.99.99.99"], ["127.0.0.1"])
        post = Post(Allowed.parse("127.99.99.99"), resolve=names)
        answer = await post.send(f"http://rebinding.example:{neighbour.port}/", HEADERS, BODY)
    assert answer.error == "the receiver cannot be reached"
    assert names.asked == 1
    assert neighbour.connections == 0


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async with receiving() as inside:
        to = status(307, f"Location: http://127.0.0.1:{inside.port}/")
        async with receiving(Receiver(answer=to)) as receiver:
            answer = await Post(LOOPBACK).send(receiver.url, HEADERS, BODY)
    assert answer.status == 307
    assert inside.connections == 0


async def test_proxies_and_cookies_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving(Receiver(answer=status(200, "Set-Cookie: a=b"))) as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        post = Post(LOOPBACK)
        for _ in range(2):
            assert (await post.send(receiver.url, HEADERS, BODY)).status == 200
    assert proxy.connections == 0
    assert all("cookie" not in each.headers for each in receiver.received)


async def test_a_receiver_that_does_not_answer_is_given_up() -> None:
    async def silent(_: Delivered, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with receiving(Receiver(script=silent)) as receiver:
        answer = await Post(LOOPBACK, seconds=0.3).send(receiver.url, HEADERS, BODY)
    assert (answer.status, answer.error) == (None, "no answer within 0.3 s")


async def test_a_receiver_that_answers_a_byte_at_a_time_is_given_up_too() -> None:
    async def dripping(_: Delivered, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with receiving(Receiver(script=dripping)) as receiver:
        answer = await Post(LOOPBACK, seconds=0.5).send(receiver.url, HEADERS, BODY)
    assert (answer.status, answer.error) == (None, "no answer within 0.5 s")


async def test_of_a_huge_answer_the_beginning_is_read_and_its_status_holds() -> None:
    sent = 0

    async def endless(_: Delivered, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing() and sent < 2**30:
            writer.write(b"10000\r\n" + bytes(2**16) + b"\r\n")
            await writer.drain()
            sent += 2**16

    async with receiving(Receiver(script=endless)) as receiver:
        answer = await Post(LOOPBACK).send(receiver.url, HEADERS, BODY)
    assert answer.status == 200
    assert sent < 100 * LONGEST_ANSWER  # what the sockets between hold


async def test_once_the_status_is_there_it_holds_though_the_body_never_ends() -> None:
    async def stuck(_: Delivered, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 OK\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        await asyncio.sleep(30)

    async with receiving(Receiver(script=stuck)) as receiver:
        answer = await Post(LOOPBACK, seconds=0.5).send(receiver.url, HEADERS, BODY)
    assert answer.status == 202


async def test_a_name_that_hangs_holds_up_no_longer_than_an_answer_may() -> None:
    async def hanging(host: str, port: int, owner: str) -> Sequence[str]:
        await asyncio.sleep(30)
        return []

    answer = await Post(LOOPBACK, seconds=0.2, resolve=hanging).send("https://hooks.example/", HEADERS, BODY)
    assert answer.error == "no answer within 0.2 s"


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with receiving() as receiver:
        post = Post(LOOPBACK, resolve=Names(["127.99.99.99", "127.0.0.1"]))
        answer = await post.send(f"http://hooks.example:{receiver.port}/", HEADERS, BODY)
    assert answer.status == 204
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the receiver's answer is not HTTP"),
        (b"", "the receiver's answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000, "the receiver's answer is not HTTP"),
    ],
)
async def test_what_is_not_http_is_an_error_that_tells_nothing_of_it(said: bytes, error: str) -> None:
    async with receiving(Receiver(answer=said)) as receiver:
        answer = await Post(LOOPBACK).send(receiver.url, HEADERS, BODY)
    assert (answer.status, answer.error) == (None, error)


async def test_a_host_that_is_not_known_is_said_to_be() -> None:
    answer = await Post(LOOPBACK, resolve=Names([])).send("https://hooks.example/", HEADERS, BODY)
    assert answer.error == "the URL's host has no address"


async def test_tls_is_with_the_name_though_the_connection_is_to_the_address(tmp_path: Path) -> None:
    server, client = self_signed("hooks.example", tmp_path)
    async with receiving(Receiver(), tls=server) as receiver:
        post = Post(LOOPBACK, resolve=Names(["127.0.0.1"]), tls=client)
        good = await post.send(f"https://hooks.example:{receiver.port}/", HEADERS, BODY)
        other = await post.send(f"https://other.example:{receiver.port}/", HEADERS, BODY)
        stranger = await Post(LOOPBACK, resolve=Names(["127.0.0.1"])).send(
            f"https://hooks.example:{receiver.port}/", HEADERS, BODY
        )
    assert good.status == 204
    assert other.error is not None
    assert "certificate" in other.error
    assert stranger.error is not None
    assert "certificate" in stranger.error
    assert len(receiver.received) == 1


async def test_what_the_receiver_asks_us_to_wait_is_told() -> None:
    async with receiving(Receiver(answer=status(503, "Retry-After: 120"))) as receiver:
        answer = await Post(LOOPBACK).send(receiver.url, HEADERS, BODY)
    assert (answer.status, answer.retry_after) == (503, "120")


async def test_names_that_hang_hold_up_their_owner_and_nobody_else() -> None:
    """Whoever asked has given up long ago; the system still waits for a name server that does not answer."""
    free, begun = threading.Event(), threading.Semaphore(0)

    def ask(host: str, port: int) -> Sequence[str]:
        if host.startswith("slow"):
            begun.release()
            free.wait(60)
        return ["127.0.0.1"]

    resolver = Resolver(threads=4, each=2, ask=ask)
    try:
        hung = [asyncio.create_task(resolver(f"slow{number}.example", 443, "mallory")) for number in range(2)]
        for _ in hung:
            assert await asyncio.to_thread(begun.acquire, timeout=30)
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)
        with pytest.raises(Crowded):
            await resolver("slow3.example", 443, "mallory")
        assert await resolver("quick.example", 443, "ada") == ["127.0.0.1"]
        refused = await Post(LOOPBACK, resolve=resolver).send("https://slow4.example/", HEADERS, BODY, "mallory")
        assert refused.error == "the names of your webhooks' hosts take too long to be found"
    finally:
        free.set()
    while resolver._asking:  # noqa: ASYNC110  until the threads have noticed
        await asyncio.sleep(0.01)
    assert await resolver("quick.example", 443, "mallory") == ["127.0.0.1"]
