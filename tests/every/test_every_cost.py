"""What strangers can make the event loop compute: nothing that holds up the others, whatever they send.

What is bounded is the processor time of the loop's thread: what the server does aside is not in it, nor what the client
of these tests, which is a thread of its own, and this machine do meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

import pytest

from ingest_api.openapi import guard_of, routes_of
from ingest_api.protocol import HEAD_BYTES
from ingest_api.registry.lookup import MAX_LOOKUP
from tests.doubles.door import app_with, served, settings_with

LOOP_SECONDS = 0.15
"""Of the loop's thread, for one request. What this test was written for took 3.8."""
ROOM = HEAD_BYTES - 4096
FORM = 16 * 1024

LEET = ("4@8({[<3691!|70$5+%2" * 4)[:72]
"""What zxcvbn reads in hundreds of ways."""
DEEP = '{"a":' * 3000
ADDRESS = "ⅷ" * 60 + "@" + ".".join(["ⅷ" * 15] * 8)
NUMBERS = "9" * 15_000
APP = app_with(cors_origins=("https://console.example",))
PUBLIC = sorted(
    (method, route.path_format) for route in routes_of(APP) for method in route.methods or () if guard_of(route)
)


def token(payload: str) -> str:
    """A JWT of which nothing but the head is looked at."""
    return base64.urlsafe_b64encode(payload.encode()).rstrip(b"=").decode() + ".e30.e30"


@cache
def forms() -> tuple[bytes, ...]:
    """Bodies: every field that some form has, each as costly as known; and what is no form."""
    names = {"username": LEET, "identifier": LEET, "email": ADDRESS, "totp_code": "ß" * 32, "full_name": "ﷺ" * 200}
    proofs = {"password": LEET, "new_password": LEET, "current_password": LEET}
    mailed = {"token": "admin." + "." * 500, "refresh_token": "." * 512}
    whole = names | proofs | mailed
    known = {"username": "ada.lovelace", "email": "ada@example.com", "password": LEET}
    return (
        json.dumps(whole).encode(),
        json.dumps(whole | {"identifier": None, "username": None}).encode(),
        json.dumps(known).encode(),
        json.dumps(known | {"password": "12" * 36}).encode(),
        json.dumps({"token": "admin.x", "new_password": LEET}).encode(),
        (DEEP + "1" + "}" * 3000).encode(),
        ("[" * FORM).encode(),
        f'{{"username":{NUMBERS}}}'.encode(),
        ('{"username":"' + "\\u0130" * 2600 + '"}').encode(),
        ("{" + ",".join(f'"{n}":0' for n in range(1900)) + "}").encode(),
    )


@cache
def schemas() -> tuple[bytes, ...]:
    """Bodies for the registry: schemas as large as it takes them."""
    fields = [{"name": f"f{n}", "type": "int"} for n in range(2400)]
    nested = '{"type":"array","items":' * 900 + '"int"' + "}" * 900
    union: list[object] = ["null", *({"type": "fixed", "name": f"x{n}", "size": 1} for n in range(1800))]
    # Written out in full, each would have its namespace: 76 MB.
    inheriting = [{"type": "fixed", "size": 1, "name": f"n{n}"} for n in range(1250)]
    repeated = {"type": "record", "name": "r", "namespace": "a" * 60_000, "fields": [{"name": "f", "type": inheriting}]}
    texts = (
        json.dumps({"type": "record", "name": "r", "fields": fields}),
        nested,
        json.dumps(union),
        "[" * 100_000,
        json.dumps(["int"] * 14_000),
        json.dumps(repeated, separators=(",", ":")),
    )
    bodies = [json.dumps({"schema": text}).encode() for text in texts]
    assert max(map(len, bodies)) < MAX_LOOKUP, "larger ones are not even read"
    return tuple(bodies)


HEADS: Mapping[str, Mapping[str, str]] = {
    "bearer deep": {"Authorization": f"Bearer {token('{' + '[' * 40_000)}"},
    "bearer deeper": {"Authorization": f"Bearer {token(DEEP[:40_000])}"},
    "bearer long": {"Authorization": "Bearer " + "." * ROOM},
    "bearer wide": {"Authorization": "Bearer " + "a" * ROOM},
    "key": {"X-API-Key": "ncs_" + "0" * ROOM},
    "cookie escapes": {"Cookie": 'session="' + "\\0" * (ROOM // 2) + '"'},
    "cookie backslashes": {"Cookie": 'session="' + "\\" * ROOM + '"'},
    "cookies": {"Cookie": "a=b;" * (ROOM // 4)},
    "names": {"User-Agent": "(" * ROOM, "Accept": "*"},
    "accept": {"Accept": "text/html;q=0.1," * (ROOM // 16)},
    "origin": {"Origin": "https://" + "[" * 8000, "Access-Control-Request-Method": "POST"},
    "tag": {"If-Match": '"' * ROOM},
    "id": {"X-Request-ID": "a" * ROOM},
    "forwarded": {"X-Forwarded-For": "1," * (ROOM // 2), "Forwarded": "for=" * (ROOM // 8)},
    "prefer": {"Prefer": "respond-async," * (ROOM // 16), "Idempotency-Key": "a" * 4000},
    "last event": {"Last-Event-ID": "A" * ROOM},
}
QUERIES = {
    "pairs": "a&" * (ROOM // 2),
    "escapes": "token=" + "%41" * (ROOM // 3),
    "topics": "topics=" + "," * ROOM,
    "streams": "stream=a&" * (ROOM // 9),
    "search": "search=" + quote("İ" * 5000) + "&token=" + "a" * 2000,
}


@dataclass
class Served:
    """The server, which the loop of these tests serves; what is asked of it is asked by another thread."""

    address: tuple[str, int]

    async def cost(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[float, str]:
        """Of one request, on a connection of its own: seconds of processor of the loop's thread, and the status. What
        is dear is asked for again, for the collector of garbage may have come between; an attack is dear each time."""
        least, status = float("inf"), ""
        for _ in range(3):
            before = time.thread_time()
            status = await asyncio.to_thread(self._ask, method, path, headers, body)
            least = min(least, time.thread_time() - before)
            if least < LOOP_SECONDS:
                break
        return least, status

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
        head = {"Host": "127.0.0.1", "Connection": "close", "Content-Length": str(len(body)), **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        with socket.create_connection(self.address, timeout=30) as connection:
            connection.sendall("\r\n".join(lines).encode("latin-1", "replace") + body)
            answer = connection.recv(65536)
            while connection.recv(65536):
                pass
        return answer.partition(b"\r\n")[0].decode()


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Served]:
    async with served(APP, settings_with()) as address:
        running = Served(address)
        for method, path in PUBLIC:  # what is made once, at the first request
            await running.cost(method, plain(path), {})
        yield running


def plain(path: str) -> str:
    return path.replace("{", "").replace("}", "")


@pytest.mark.parametrize(("method", "path"), PUBLIC)
async def test_no_request_of_a_stranger_costs_the_loop_more_than_a_moment(
    server: Served, method: str, path: str
) -> None:
    at = plain(path)
    asked = [(name, at, headers, b"") for name, headers in HEADS.items()]
    asked += [(name, f"{at}?{query}", {}, b"") for name, query in QUERIES.items()]
    if method in ("POST", "PUT", "PATCH"):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            head = {"Content-Type": kind}
            asked += [(f"form {number}", at, head, body) for number, body in enumerate(forms())]
            asked.append(("pairs", at, head, b"a=%41&" * (FORM // 6)))
    if path.startswith(("/subjects", "/compatibility")) and method == "POST":
        subject = path.replace("{subject}", "points.observed.v1-value").replace("{version}", "latest")
        head = {"Content-Type": "application/json"}
        asked += [(f"schema {number}", subject, head, body) for number, body in enumerate(schemas())]
    for name, address, headers, body in asked:
        seconds, status = await server.cost(method, address, headers, body)
        assert seconds < LOOP_SECONDS, f"{name}: {seconds:.2f} s for {status!r}"
        assert not status.startswith("HTTP/1.1 500"), f"{name}: {status!r}"


async def test_addresses_as_long_as_may_be_cost_the_loop_no_more(server: Served) -> None:
    for path in (
        "/" + "a/" * (ROOM // 2),
        "/subjects/" + "%41" * (ROOM // 3),
        "/%2e" * (ROOM // 4),
        "/api/users/" + "9" * ROOM,
    ):
        for method in ("GET", "TRACE"):
            seconds, status = await server.cost(method, path, {})
            assert seconds < LOOP_SECONDS, f"{path[:20]}: {seconds:.2f} s for {status!r}"
            assert not status.startswith("HTTP/1.1 500"), f"{path[:20]}: {status!r}"
